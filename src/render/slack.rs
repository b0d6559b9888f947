//! TODO slack
use crate::notification::Notification;
pub fn body(_notification: &Notification, _id: &str) -> Vec<u8> {
    unimplemented!()
}
