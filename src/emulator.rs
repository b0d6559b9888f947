//! A runnable pretence of the cloud: CTS, IAM, scenarios and faults on loopback.
//!
//! Shares no wire types with the client: else both could misread the API alike.
