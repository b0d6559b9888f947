//! Credentials from `clouds.yaml`, `secure.yaml` and `OS_*` variables, found as openstacksdk finds them.

use super::auth::Credentials;

/// Credentials of the named cloud, or of `OS_CLOUD`, or of the `OS_*` variables.
/// The error says where was looked and what is missing.
pub fn credentials(_cloud: Option<&str>) -> Result<Credentials, String> {
    unimplemented!()
}
