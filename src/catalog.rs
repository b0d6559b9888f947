//! Services, resource types and operations of the cloud, embedded.
