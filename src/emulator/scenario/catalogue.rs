//! Services, resources and operations as the cloud's guides list them.
//!
//! Spelling follows the guides, mistakes included: the cloud sends them so.

pub struct Resource {
    pub service: &'static str,
    pub kind: &'static str,
    /// Names of resources begin so.
    pub prefix: &'static str,
    /// What people and programs do all day.
    pub daily: &'static [&'static str],
    /// What someone should look at.
    pub seldom: &'static [&'static str],
}

const fn row(
    service: &'static str,
    kind: &'static str,
    prefix: &'static str,
    daily: &'static [&'static str],
    seldom: &'static [&'static str],
) -> Resource {
    Resource { service, kind, prefix, daily, seldom }
}

pub const RESOURCES: &[Resource] = &[
    row("IAM", "user", "", &["login", "logout"], &["createUser", "deleteUser", "createCredential", "updateUserPwd"]),
    row("IAM", "userGroup", "grp-", &[], &["createGroup", "addUserToGroup", "removeUserFromGroup"]),
    row("IAM", "agency", "agency-", &["switchRole"], &["createAgency", "updateAgency", "deleteAgency"]),
    row("IAM", "MFA", "", &[], &["BindMFA", "UnBindMFA"]),
    row("CTS", "tracker", "system", &[], &["updateTracker", "deleteTracker"]),
    row("CTS", "trace", "trace-", &["getTrace"], &[]),
    row(
        "ECS",
        "ecs",
        "web-prod-",
        &[
            "startServer",
            "stopServer",
            "rebootServer",
            "createServer",
            "attachVolume",
            "resizeServer",
            "deleteMetadata",
        ],
        &["deleteServer", "reinstallOs", "changeOs", "detachVolume"],
    ),
    row("EVS", "evs", "vol-data-", &["createVolume", "updateVolume", "extendVolume"], &["deleteVolume"]),
    row("EVS", "snapshot", "snap-", &["createSnapshot", "updateSnapshot"], &["deleteSnapshot", "rollbackSnapshot"]),
    row("VPC", "eip", "eip-", &["createEip", "unbindEip"], &["bindEip", "deleteEip"]),
    row("VPC", "subnet", "subnet-app-", &["createSubnet", "modifySubnet"], &["deleteSubnet"]),
    row("VPC", "bandwidth", "bw-", &["modifyBandwidth"], &[]),
    row("VPC", "ports", "port-", &["createPort", "updatePort", "deletePort"], &[]),
    row(
        "VPC",
        "security-groups",
        "sg-web-",
        &["updateSecurity-group"],
        &["createSecurity-group", "deleteSecurity-group"],
    ),
    row("IMS", "ims", "img-base-", &["createImage", "updateImage"], &["exportImage", "addMember", "deleteImage"]),
    row(
        "AS",
        "scaling_group",
        "asg-shop-",
        &["modifyScalingGroup", "enableScalingGroup"],
        &["disableScalingGroup", "deleteScalingGroup"],
    ),
    row("AS", "scaling_policy", "asp-shop-", &["executeScalingPolicy", "modifyScalingPolicy"], &[]),
    row("AS", "scaling_instance", "asi-shop-", &["removeInstance", "batchAddInstances"], &[]),
    row("BMS", "bms", "bms-db-", &["startBareMetalServers", "rebootBareMetalServers"], &["deleteBareMetalServers"]),
    row("DEH", "dedicatedHosts", "deh-", &["updateDedicatedHosts"], &["releaseDedicatedHosts"]),
    row("CCE", "Cluster", "k8s-prod-", &["updateCluster", "clusterUpgrade"], &["deleteCluster", "getClusterCertByUID"]),
    row("CCE", "Node pool", "pool-", &["createNodePool", "updateNodePool"], &["migrateNodepool"]),
    row(
        "CCE",
        "Kubernetes resource",
        "app-",
        &["createPods", "deletePods", "updateDeployments", "createJobs", "updateConfigmaps", "createReplicasets"],
        &["createSecrets", "deleteNamespaces"],
    ),
    row("SWR", "image", "shop/frontend-", &["uploadImagePackage"], &[]),
    row("SWR", "imagetag", "shop/backend-", &["deleteImageTag"], &[]),
    row(
        "SWR",
        "imagerepository",
        "shop/",
        &["createImageRepository", "updateImageRepository"],
        &["deleteImageRepository"],
    ),
    row(
        "OBS",
        "bucket",
        "backup-",
        &["setBucketTagging", "setBucketQuota", "createBucket"],
        &["setBucketPolicy", "setBucketAcl", "deleteBucket"],
    ),
    row(
        "KMS",
        "CMK",
        "key-app-",
        &["createDataKey", "encryptDatakey", "decryptDatakey", "updateKeyDescription"],
        &["createKey", "disableKey", "scheduleKeyDeletion"],
    ),
    row(
        "KMS",
        "CSMS",
        "secret-",
        &["createSecretVersion", "updateSecretStage"],
        &["forceDeleteSecret", "backupSecret"],
    ),
    row(
        "DNS",
        "publicRecordSet",
        "www-",
        &["createPublicRecordSet", "updatePublicRecordSet"],
        &["deletePublicRecordSet"],
    ),
    row("DNS", "privateZone", "corp-", &["updatePrivateZone", "associateRouter"], &["deletePrivateZone"]),
    row("ELB", "member", "member-", &["createMember", "updateMember", "batchUpdateMember"], &[]),
    row("ELB", "listener", "https-", &["updateListener", "createListener"], &["deleteListener"]),
    row("ELB", "healthmonitor", "hm-", &["updateHealthMonitor"], &[]),
    row("ELB", "pool", "pool-web-", &["createPool", "updatPool"], &["deletePool"]),
    row(
        "RDS",
        "instance",
        "pg-orders-",
        &["setBackupPolicy", "setDBParameters", "instanceRename"],
        &["resetPassword", "deleteInstance", "setOrResetPublicIP"],
    ),
    row("RDS", "backup", "rds-backup-", &["backupsDownLoad"], &["deleteManualSnapshot"]),
    row("RDS", "parameterGroup", "params-", &["updateParameterGroup", "applyParameterGroup"], &[]),
    row(
        "DDS",
        "instance",
        "mongo-",
        &["ddsRestartInstance", "ddsRenameInstance"],
        &["ddsDeleteInstance", "ddsResetPassword"],
    ),
    row("DDS", "backup", "mongo-backup-", &["ddsCreateBackup", "ddsSetBackupPolicy"], &["ddsDeleteBackup"]),
    row(
        "DCS",
        "Redis",
        "redis-",
        &["modifyDCSInstanceConfig", "backupDCSInstance", "restartDCSInstance"],
        &["flushDCSInstance", "deleteDCSInstance"],
    ),
    row(
        "DMS",
        "kafka",
        "kafka-",
        &["Kafka_platinum_create_topicSuccess", "modifyDMSInstanceInfoSuccess", "restartDMSInstanceSuccess"],
        &["deleteDMSInstanceTaskSuccess"],
    ),
    row(
        "CBR",
        "vault",
        "vault-",
        &["createVaultBackup", "addResources", "updateVault"],
        &["deleteVault", "removeResources"],
    ),
    row("CBR", "backup", "cbr-", &["createBackup"], &["deleteBackup"]),
    row("WAF", "policy", "waf-", &["modifyPolicy", "createCustom", "modifyCc"], &["deletePolicy"]),
    row("Anti-DDoS", "anti-ddos", "eip-", &["updateAntiddos"], &["deleteAntiddos"]),
    row(
        "CES",
        "alarm_rule",
        "alarm-cpu-",
        &["alarmStatusChangeToAlarm", "alarmStatusChangeToOk", "updateAlarmRule", "createAlarmRule"],
        &["disableAlarmRule", "deleteAlarmRule"],
    ),
    row("SMN", "topic", "topic-ops-", &["updateTopic", "createTopic"], &["deleteTopic"]),
    row("SMN", "subscription", "sub-", &["subscribe"], &["delsubscribe"]),
    row("TMS", "predefineTag", "env-", &["addPredefineTag", "modifyPredefineTag"], &[]),
    row("CSS", "cluster", "search-", &["updateSnapshotPolicy", "updateAutoSnapshotPolicy"], &[]),
    row("CSS", "snapshot", "search-snap-", &["createSnapshot", "restoreSnapshot"], &["deleteSnapshot"]),
    row("DIS", "stream", "stream-", &["createStream"], &["deleteStream"]),
    row("DWS", "cluster", "dwh-", &["growCluster", "rebootCluster"], &["deleteCluster"]),
    row("DWS", "backup", "dwh-backup-", &["createBackup"], &["deleteBackup"]),
    row("MRS", "cluster_mrs", "hadoop-", &["scaleOutCluster", "scaleInCluster"], &["deleteCluster"]),
    row(
        "ModelArts",
        "ModelArtsTrainJob",
        "train-",
        &["createModelArtsTrainJob", "createModelArtsTrainVersion", "stopModelArtsTrainVersion"],
        &["deleteModelArtsTrainJob"],
    ),
    row("ModelArts", "Notebook", "notebook-", &["create_instance", "change_instance_status"], &["delete_instance"]),
    row("FunctionGraph", "Functions", "fn-resize-", &["createFunction"], &[]),
    row("RTS", "stacks", "stack-", &["createStacks", "updateStacks"], &["deleteStacks"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_is_as_wide_as_promised() {
        let services: BTreeSet<_> = RESOURCES.iter().map(|resource| resource.service).collect();
        let operations: usize = RESOURCES.iter().map(|row| row.daily.len() + row.seldom.len()).sum();
        assert!(services.len() >= 25, "{}", services.len());
        assert!(operations >= 150, "{operations}");
    }
}
