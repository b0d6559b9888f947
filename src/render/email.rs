//! TODO email
use crate::notification::Notification;
pub fn body(_letterhead: &super::Letterhead, _notification: &Notification, _id: &str) -> Vec<u8> {
    unimplemented!()
}
