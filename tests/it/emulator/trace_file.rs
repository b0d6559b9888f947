//! The tracker delivers trace files and digests to a real S3 server.

use std::{collections::BTreeMap, io::Read};

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use tracebell::emulator::obs::{self, Digests};

use super::*;
use crate::moto::Moto;

const V3: &str = "/v3/{project}/tracker";

async fn start(moto: &Moto) -> Cloud {
    let obs = obs::Settings::new(&moto.url, "AK", "SK");
    Cloud::start(Settings { obs: Some(obs), ..Settings::default() }).await
}

fn wish(bucket: &str, more: Value) -> Value {
    let mut body = json!({"tracker_type": "system", "tracker_name": "system",
        "obs_info": {"bucket_name": bucket, "file_prefix_name": "p-"}});
    for (key, value) in more.as_object().unwrap() {
        body["obs_info"][key] = value.clone();
    }
    body["is_support_validate"] = json!(true);
    body
}

fn unpacked(bytes: &[u8]) -> Value {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_are_delivered_by_service() {
    let moto = Moto::start("audit").await;
    let cloud = start(&moto).await;
    assert_eq!(cloud.send("POST", V3, wish("audit", json!({}))).await.0, 201);
    let mut other = trace("b", now_ms() - 900);
    other["service_type"] = json!("IAM");
    cloud.handle().add([trace("a", now_ms() - 1000), other, trace("c", now_ms() - 800)]);
    let keys = cloud.handle().deliver_traces(Digests::WhenDue).await;
    assert_eq!(moto.keys("audit").await, keys, "the creation of the tracker, and two services");
    let day = clock::now().strftime("%Y/%m/%d").to_string();
    for (key, service) in keys.iter().zip(["CTS", "ECS", "IAM"]) {
        let form = format!(
            r"^CloudTraces/eu-de/{day}/system/{service}/p-_CloudTrace_eu-de_\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\dZ_[0-9a-f]{{16}}\.json\.gz$"
        );
        assert!(regex::Regex::new(&form).unwrap().is_match(key), "{key}");
    }
    let traces = unpacked(&moto.get("audit", &keys[1]).await);
    assert_eq!(traces.as_array().unwrap().len(), 2);
    assert_eq!(
        (&traces[0]["trace_id"], &traces[0]["code"], &traces[1]["trace_id"]),
        (&json!("a"), &json!(204), &json!("c"))
    );
    assert!(traces[0]["user"].as_str().unwrap().contains("bob"));
    assert!(cloud.handle().deliver_traces(Digests::WhenDue).await.is_empty(), "nothing is delivered twice");

    let (_, _) =
        cloud.send("PUT", V3, wish("audit", json!({"compress_type": "json", "is_sort_by_service": false}))).await;
    cloud.handle().add([trace("d", now_ms() - 700)]);
    let keys = cloud.handle().deliver_traces(Digests::WhenDue).await;
    assert!(keys.len() == 1 && keys[0].contains("/system/p-_CloudTrace_") && keys[0].ends_with(".json"), "{keys:?}");
    let plain: Value = serde_json::from_slice(&moto.get("audit", &keys[0]).await).unwrap();
    assert_eq!(plain.as_array().unwrap().last().unwrap()["trace_id"], "d");

    assert_eq!(
        cloud
            .send("PUT", V3, json!({"tracker_type": "system", "tracker_name": "system", "status": "disabled"}))
            .await
            .0,
        200
    );
    cloud.handle().add([trace("unseen", now_ms() - 600)]);
    assert!(cloud.handle().deliver_traces(Digests::WhenDue).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_are_signed_and_chained() {
    let moto = Moto::start("audit").await;
    let cloud = start(&moto).await;
    assert_eq!(cloud.send("POST", V3, wish("audit", json!({"is_sort_by_service": false}))).await.0, 201);
    let first = cloud.handle().deliver_traces(Digests::Now).await;
    cloud.handle().add([trace("a", now_ms() - 1000)]);
    let second = cloud.handle().deliver_traces(Digests::Now).await;
    let third = cloud.handle().deliver_traces(Digests::Now).await;
    assert_eq!((first.len(), second.len(), third.len()), (2, 2, 1), "the last one says that nothing was delivered");
    let der: String = cloud.handle().public_key().lines().filter(|line| !line.starts_with("-----")).collect();
    // The key inside of what says that it is RSA's: 24 bytes before it.
    let public = &STANDARD.decode(der).unwrap()[24..];
    let mut previous = (String::new(), String::new(), String::new());
    for key in [&first[1], &second[1], &third[0]] {
        let (body, metadata) = moto.get_with("audit", key).await;
        let digest = unpacked(&body);
        assert!(key.contains("/system/Digest/p-_CloudTrace-Digest_eu-de_"), "{key}");
        assert_eq!(
            (&digest["digest_object"], &digest["digest_signature_algorithm"]),
            (&json!(key), &json!("SHA256withRSA"))
        );
        for file in digest["log_files"].as_array().unwrap() {
            let object = moto.get("audit", file["object"].as_str().unwrap()).await;
            assert_eq!(file["log_hash_value"], hex::encode(Md5::digest(&object)));
        }
        let named = |name: &str| digest[name].as_str().unwrap().to_owned();
        assert_eq!(
            (named("previous_digest_object"), named("previous_digest_hash_value"), named("previous_digest_signature")),
            previous
        );
        let md5 = hex::encode(Md5::digest(&body));
        let signed = format!("{}{key}{md5}{}", named("digest_end_time"), previous.2);
        let signature = metadata["x-amz-meta-meta-signature"].clone();
        let verified = ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, public)
            .verify(signed.as_bytes(), &hex::decode(&signature).unwrap());
        assert!(verified.is_ok(), "{key}");
        previous = (key.clone(), md5, signature);
    }
    assert_eq!(unpacked(&moto.get("audit", &third[0]).await)["log_files"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_real() {
    let moto = Moto::start("audit").await;
    let cloud = start(&moto).await;
    let refused = async |body: Value| {
        let (status, answer) = cloud.send("POST", V3, body).await;
        (status, answer["error_code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(refused(wish("missing", json!({}))).await, (404, "CTS.0211".to_owned()));
    assert_eq!(refused(wish("audit", json!({"is_obs_created": true}))).await, (400, "CTS.0215".to_owned()));
    assert_eq!(refused(wish("fresh", json!({"is_obs_created": true}))).await.0, 201);
    cloud.handle().add([trace("a", now_ms() - 1000)]);
    assert!(!cloud.handle().deliver_traces(Digests::WhenDue).await.is_empty());
    for key in moto.keys("fresh").await {
        moto.delete("fresh", &key).await;
    }
    moto.delete_bucket("fresh").await;
    cloud.handle().add([trace("b", now_ms() - 900)]);
    assert!(cloud.handle().deliver_traces(Digests::WhenDue).await.is_empty());
    let (_, shown) = cloud.get("/v1.0/{project}/tracker").await;
    assert_eq!((&shown["status"], &shown["detail"]), (&json!("error"), &json!("noBucket")));
    // Nothing is lost: it comes once there is a bucket.
    assert_eq!(cloud.send("PUT", V3, wish("audit", json!({}))).await.0, 200);
    let keys = cloud.handle().deliver_traces(Digests::WhenDue).await;
    let mut ids = BTreeMap::new();
    for key in &keys {
        for trace in unpacked(&moto.get("audit", key).await).as_array().unwrap() {
            ids.insert(trace["trace_id"].as_str().unwrap().to_owned(), key.clone());
        }
    }
    assert!(ids.contains_key("b"), "{ids:?}");
}
