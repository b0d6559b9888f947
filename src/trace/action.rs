//! The verb of an operation: `deleteUser` and `batchDeleteDCSInstance` are both `delete`.
//!
//! Knows how the services spell names (camel case, underscores, misspelt), not
//! what an operation does: that is the catalogue's business.

/// Names whose first verb would mislead, as the beginning of the name in lower case.
const NAMES: &[(&str, &[&str])] = &[
    (
        "grant",
        &[
            "addusertogroup",
            "createassignment",
            "creategrant",
            "createuserrepositoryauth",
            "createusernamespaceauth",
            // What they update is who holds which rights.
            "updateagencygrants",
            "updateagencyinheritedgrants",
            "updateagencyassigns",
            "updateagenciesroles",
            "updategroupassigns",
            "updateuserrepositoryauth",
            "updateusernamespaceauth",
        ],
    ),
    (
        "revoke",
        &[
            "removeuserfromgroup",
            "deleteassignment",
            "deleteagencygrants",
            "deleteagencyinheritedgrants",
            "deleteuserrepositoryauth",
            "deleteusernamespaceauth",
        ],
    ),
    // Whoever gets a token or switches into an agency has logged in.
    ("login", &["createtokenby", "switchrole"]),
    ("delete", &["schedulekeydeletion", "delsubscribe"]),
    ("restore", &["cancelkeydeletion"]),
    ("update", &["instancefailover", "instanceswitchover"]),
    ("enable", &["batchprotectinstances"]),
    ("disable", &["batchunprotectinstances"]),
    ("export", &["backupsdownload", "packbackupsdownload", "downloadsnapshot"]),
];

/// The words that are verbs. A word of five letters or more also counts where
/// it only begins a word of the name: `loginfailed`, `createl7rule`, `updatPool`.
const VERBS: &[(&str, &[&str])] = &[
    ("login", &["login", "signin"]),
    ("logout", &["logout", "signout"]),
    ("grant", &["grant", "assign", "authorize"]),
    ("revoke", &["revoke", "retire", "unassign", "deauthorize"]),
    ("enable", &["enable", "open", "activate", "active"]),
    ("disable", &["disable", "close", "deactivate"]),
    ("restart", &["restart", "reboot", "retry"]),
    ("start", &["start", "awake", "execute", "resume"]),
    ("stop", &["stop", "shutdown", "hibernate", "interrupt", "suspend"]),
    ("attach", &["attach", "associate", "claim", "initialize"]),
    ("detach", &["detach", "disassociate", "dissociate", "terminate"]),
    ("bind", &["bind"]),
    ("unbind", &["unbind"]),
    ("export", &["export", "download"]),
    ("import", &["import", "upload"]),
    ("reset", &["reset", "reinstall", "clear", "revert"]),
    ("restore", &["restore", "rollback", "roll", "recover"]),
    ("create", &["create", "add", "insert", "copy", "clone", "subscribe", "publish", "backup", "register"]),
    (
        "update",
        &[
            "updat",
            "modify",
            "change",
            "set",
            "resize",
            "extend",
            "expand",
            "grow",
            "scale",
            "apply",
            "rename",
            "patch",
            "refresh",
            "sync",
            "migrate",
            "upgrade",
            "save",
            "deal",
            "retype",
            "configuration",
            "accept",
            "operate",
            "action",
            "failover",
            "switchover",
            "reverse",
            "reprotect",
            "reserve",
            "unreserve",
        ],
    ),
    ("delete", &["delete", "remove", "release", "flush", "del", "drop", "destroy", "unsubscribe", "deletion"]),
    ("read", &["get", "list", "query", "show", "describe", "view", "compare", "read", "check"]),
];

/// Every action there is.
pub fn verbs() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|(action, _)| *action).chain(["other"])
}

/// The action of an operation name, `other` if no verb is known.
pub fn of(operation: &str) -> &'static str {
    let lower = operation.to_ascii_lowercase();
    if let Some((action, _)) = NAMES.iter().find(|(_, names)| names.iter().any(|name| lower.starts_with(name))) {
        return action;
    }
    words(operation).iter().find_map(|word| verb(word)).unwrap_or("other")
}

fn verb(word: &str) -> Option<&'static str> {
    let exact = VERBS.iter().find(|(_, verbs)| verbs.contains(&word));
    let begins = || VERBS.iter().find(|(_, verbs)| verbs.iter().any(|verb| verb.len() >= 5 && word.starts_with(verb)));
    exact.or_else(begins).map(|(action, _)| *action)
}

/// The words of an operation's name: `batchDeleteDCSInstance` is `batch`, `delete`, `dcs`, `instance`; a lone `Un` belongs to the next word.
pub fn words(operation: &str) -> Vec<String> {
    let chars: Vec<char> = operation.chars().take(256).collect();
    let mut words: Vec<String> = Vec::new();
    let mut fresh = true;
    for (at, &char) in chars.iter().enumerate() {
        if !char.is_alphanumeric() {
            fresh = true;
            continue;
        }
        let before = at.checked_sub(1).map(|at| chars[at]);
        let next_is_lower = chars.get(at + 1).is_some_and(|c| c.is_lowercase());
        let starts = char.is_uppercase() && before.is_some_and(|c| !c.is_uppercase() || next_is_lower);
        let joins = words.last().is_some_and(|word| word == "un");
        if (fresh || starts) && !joins {
            words.push(String::new());
        }
        fresh = false;
        if let Some(word) = words.last_mut() {
            word.extend(char.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations whose name tells no verb of the list.
    const OTHER: &[&str] = &["encryptDatakey", "decryptDatakey", "encryptData", "decryptData", "genRandom"];

    #[test]
    fn verbs_are_found_wherever_they_stand() {
        let cases = [
            ("loginfailed", "login"),
            ("loginFailed", "login"),
            ("iamUserSsoLoginFailed", "login"),
            ("scanQRCodeLogin", "login"),
            ("tenantLoginBySamlSuccess", "login"),
            ("createTokenByPwd", "login"),
            ("logout", "logout"),
            ("modifyLoginProtect", "update"),
            ("Kafka_platinum_create_topicSuccess", "create"),
            ("Kafka_platinum_delete_topicsFailure", "delete"),
            ("deleteDMSCreateFailureInstancesSuccess", "delete"),
            ("batchDeleteDCSInstance", "delete"),
            ("submitBatchRestartDCSInstanceRequest", "restart"),
            ("addUserToGroup", "grant"),
            ("removeUserFromGroup", "revoke"),
            ("assignRoleToAgencyOnProject", "grant"),
            ("unassignRoleToGroupOnDomain", "revoke"),
            ("createCredential", "create"),
            ("addCredential", "create"),
            ("BindMFA", "bind"),
            ("UnBindMFA", "unbind"),
            ("ddsUnbindEIP", "unbind"),
            ("scheduleKeyDeletion", "delete"),
            ("scheduleDelSecret", "delete"),
            ("cancelKeyDeletion", "restore"),
            ("restoreSecretFromDeletedStatus", "restore"),
            ("importKeyMaterial", "import"),
            ("deleteImportedKeyMaterial", "delete"),
            ("disableKeyRotation", "disable"),
            ("setBucketPolicy", "update"),
            ("updatPool", "update"),
            ("createl7rule", "create"),
            ("updateagenciesRolesByConsole", "grant"),
            ("updateGroupAssignsByRole", "grant"),
            ("operateMasterEIP", "update"),
            ("instanceFailOverMode", "update"),
            ("masterStandbySwitchover", "update"),
            ("switchRole", "login"),
            ("delsubscribe", "delete"),
            ("createSecurity-group-rule", "create"),
            ("force_deleteVolume", "delete"),
            ("begin_detachingVolume", "detach"),
            ("instanceRestart", "restart"),
            ("instanceRename", "update"),
            ("downLoadSnapshot", "export"),
            ("downloadMetricsReport", "export"),
            ("clusterUpgrade", "update"),
            ("getTrace", "read"),
            ("listAllMyBucket", "read"),
            ("resetPassword", "reset"),
            ("DELETEUSER", "delete"),
            ("", "other"),
            ("☃", "other"),
        ];
        for (operation, action) in cases {
            assert_eq!(of(operation), action, "{operation}");
        }
    }

    #[test]
    fn every_operation_of_the_catalogue_has_an_action() {
        let catalogue = include_str!("../../tests/fixtures/operations.txt");
        let names: Vec<&str> = catalogue.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(names.len() > 700, "{}", names.len());
        let other: Vec<&str> = names.iter().copied().filter(|name| of(name) == "other").collect();
        let surprising: Vec<&&str> = other.iter().filter(|name| !OTHER.contains(name)).collect();
        assert!(surprising.is_empty(), "no action for {surprising:?}");
        let gone: Vec<&&str> = OTHER.iter().filter(|name| !other.contains(name)).collect();
        assert!(other.len() * 100 < names.len(), "{} of {} have no action", other.len(), names.len());
        assert!(gone.is_empty(), "these have an action now or left the catalogue: {gone:?}");
    }

    #[test]
    fn the_verb_a_name_begins_with_is_its_action() {
        let catalogue = include_str!("../../tests/fixtures/operations.txt");
        for name in catalogue.lines() {
            for verb in
                ["delete", "disable", "enable", "attach", "detach", "export", "restore", "reset", "start", "stop"]
            {
                let special =
                    NAMES.iter().any(|(_, names)| names.iter().any(|n| name.to_ascii_lowercase().starts_with(n)));
                if name.starts_with(verb) && !special {
                    assert_eq!(of(name), verb, "{name}");
                }
            }
        }
    }
}
