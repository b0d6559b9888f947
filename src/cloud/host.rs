//! Where the cloud's services are, by region.

/// All of the cloud's own hosts end so.
const CLOUD: &str = ".otc.t-systems.com";

/// Of a service, such as `smn`, in a region.
pub fn of(service: &str, region: &str) -> String {
    // The Swiss cloud is a cloud of its own.
    let within = if region.starts_with("eu-ch") { ".sc" } else { "" };
    format!("{service}.{region}{within}{CLOUD}")
}

pub fn is_the_clouds(host: &str) -> bool {
    host.ends_with(CLOUD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_its_hosts() {
        assert_eq!(of("smn", "eu-de"), "smn.eu-de.otc.t-systems.com");
        assert_eq!(of("obs", "eu-ch2"), "obs.eu-ch2.sc.otc.t-systems.com");
        assert!(is_the_clouds("bucket.obs.eu-ch2.sc.otc.t-systems.com"));
        assert!(!is_the_clouds("smn.eu-de.otc.t-systems.com.evil.example"));
        assert!(!is_the_clouds("evilotc.t-systems.com"));
    }
}
