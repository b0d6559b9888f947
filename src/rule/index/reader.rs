//! A trace under the eyes of many rules: every field is read at most once.

use std::{borrow::Cow, cell::OnceCell, collections::HashMap};

use super::reading::Quick;
use crate::trace::{Field, Look};

pub struct Reader<'t, L: ?Sized> {
    places: &'t HashMap<Field, usize, Quick>,
    trace: &'t L,
    values: Vec<OnceCell<Option<Cow<'t, str>>>>,
}

impl<'t, L: Look + ?Sized> Reader<'t, L> {
    pub fn new(places: &'t HashMap<Field, usize, Quick>, trace: &'t L) -> Self {
        Self { places, trace, values: vec![OnceCell::new(); places.len()] }
    }

    /// The field that has this place.
    pub fn at(&self, place: usize, field: &Field) -> Option<&str> {
        self.values[place].get_or_init(|| self.trace.get(field)).as_deref()
    }
}

impl<L: Look + ?Sized> Look for Reader<'_, L> {
    fn get(&self, field: &Field) -> Option<Cow<'_, str>> {
        match self.places.get(field) {
            Some(place) => self.at(*place, field).map(Cow::Borrowed),
            None => self.trace.get(field),
        }
    }
}
