//! Claims due deliveries of one endpoint, attempts them, records the answers.
