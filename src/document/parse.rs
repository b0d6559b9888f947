//! From a text to a [`Node`] tree, or to every syntax problem in it.

use super::{File, Node, Problem};

pub fn parse(_file: &File) -> Result<Node, Vec<Problem>> {
    unimplemented!()
}
