// SPDX-License-Identifier: Apache-2.0
//! Other people's parts on both ends: boto3 reads from the double what kiln has published there, and moto, which is more
//! lenient than the double, is published to by the same calls.

use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kiln::cloud::Limits;
use kiln::publish::Subject;

use super::double::{Double, KEY, Weather};
use super::stage::{REGIONS, image, publish, publish_as, small, small_base, subject, target, with_base};

/// Downloads the root snapshot of the image of a name, by list and get, and checks every block's checksum.
const DOWNLOAD: &str = r"
import base64, hashlib, sys
import boto3
endpoint, region, name, path = sys.argv[1:5]
client = lambda service: boto3.client(service, region_name=region, endpoint_url=endpoint)
ec2, ebs = client('ec2'), client('ebs')
[image] = ec2.describe_images(Owners=['self'], Filters=[{'Name': 'name', 'Values': [name]}])['Images']
assert image['State'] == 'available', image
[snapshot] = [device['Ebs']['SnapshotId'] for device in image['BlockDeviceMappings'] if 'Ebs' in device]
[described] = ec2.describe_snapshots(SnapshotIds=[snapshot])['Snapshots']
assert described['State'] == 'completed', described
page, blocks, pages = {}, [], 0
while True:
    answer = ebs.list_snapshot_blocks(SnapshotId=snapshot, **page)
    assert answer['BlockSize'] == 524288, answer
    blocks += answer['Blocks']
    pages += 1
    if not answer.get('NextToken'):
        break
    page = {'NextToken': answer['NextToken']}
with open(path, 'wb') as out:
    out.truncate(described['VolumeSize'] << 30)
    for block in blocks:
        got = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=block['BlockIndex'], BlockToken=block['BlockToken'])
        data = got['BlockData'].read()
        assert len(data) == got['DataLength'] == 524288
        assert base64.b64encode(hashlib.sha256(data).digest()).decode() == got['Checksum']
        out.seek(block['BlockIndex'] * 524288)
        out.write(data)
print(pages, len(blocks))
";

pub fn python() -> Command {
    Command::new(std::env::var("KILN_TEST_PYTHON").unwrap_or_else(|_| "python3".into()))
}

fn download(url: &str, region: &str, name: &str, path: &Path) -> String {
    let mut python = python();
    python.args(["-c", DOWNLOAD, url, region, name]).arg(path);
    python.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
    let output = python.output().expect("tests/run makes this Python");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Python with boto3, as tests/run makes it: {words}");
    String::from_utf8(output.stdout).unwrap()
}

fn holds_the_image(path: &Path, subject: &Subject) {
    let file = std::fs::File::open(path).unwrap();
    let mut wanted = vec![0; subject.image.size() as usize];
    subject.image.read_at(&mut wanted, 0).unwrap();
    let mut found = vec![0; wanted.len()];
    file.read_exact_at(&mut found, 0).unwrap();
    assert!(found == wanted, "the bytes differ");
}

#[test]
fn boto3_downloads_from_the_double_what_was_published() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather { page: Some(2), ..Weather::default() });
    let path = folder.path().join("downloaded");
    let whole = subject(folder.path(), small());
    let wanted = target(&whole, &REGIONS[..1], "");
    publish(&double.url(), &whole, &wanted).unwrap();
    assert_eq!(download(&double.url(), REGIONS[0], &wanted.name, &path), "3 5\n");
    holds_the_image(&path, &whole);
    // And one on a snapshot of the base, where a block of the base became zero.
    let other = image(12, &[(0, 1), (1, 2), (5, 3), (9, 9)]);
    let based = with_base(subject(folder.path(), other), small_base());
    let wanted = target(&based, &REGIONS[..1], "base: make\n");
    publish(&double.url(), &based, &wanted).unwrap();
    download(&double.url(), REGIONS[0], &wanted.name, &path);
    holds_the_image(&path, &based);
}

/// A moto server of one test.
pub struct Moto {
    process: Child,
    pub url: String,
}

impl Moto {
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut python = python();
        python.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let process = python.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let moto = Self { process, url: format!("http://127.0.0.1:{port}") };
        let until = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "moto does not answer; Python with moto, as tests/run makes it");
            std::thread::sleep(Duration::from_millis(20));
        }
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What boto3 sees in moto: the snapshot with its tag, its blocks, the image, the parameter.
const LOOK: &str = r"
import sys
import boto3
endpoint, region, digest = sys.argv[1:4]
client = lambda service: boto3.client(service, region_name=region, endpoint_url=endpoint)
ec2, ebs, ssm = client('ec2'), client('ebs'), client('ssm')
tag = [{'Name': 'tag:kiln:image', 'Values': [digest]}]
# moto gives images no tags, and a snapshot of its own instead of the one that is named.
[image] = ec2.describe_images(Owners=['self'])['Images']
[snapshot] = ec2.describe_snapshots(OwnerIds=['self'], Filters=tag)['Snapshots']
blocks = ebs.list_snapshot_blocks(SnapshotId=snapshot['SnapshotId'])['Blocks']
held = {}
for block in blocks:
    got = ebs.get_snapshot_block(SnapshotId=snapshot['SnapshotId'], BlockIndex=block['BlockIndex'], BlockToken=block['BlockToken'])
    held[block['BlockIndex']] = set(got['BlockData'].read())
value = ssm.get_parameter(Name='/kiln/node/one')['Parameter']['Value']
assert value == image['ImageId'], (value, image)
permissions = ec2.describe_image_attribute(ImageId=value, Attribute='launchPermission')['LaunchPermissions']
print(snapshot['State'], image['State'], sorted(held.items()), permissions)
";

#[test]
fn the_same_calls_publish_to_moto() {
    let folder = tempfile::tempdir().unwrap();
    let moto = Moto::start();
    let subject = subject(folder.path(), small());
    // moto knows no EnableImageDeprecation.
    let more = "parameters: [/kiln/node/one]\nshare: {accounts: ['123456789012']}\n";
    let target = target(&subject, &REGIONS[..2], more);
    // moto loads each service with its first call, which takes seconds.
    let patient = Limits { poll: Duration::from_millis(50), ..Limits::default() };
    let publish = || publish_as(&moto.url, KEY, patient, &subject, &target, &[]).unwrap();
    let first = publish();
    for region in &REGIONS[..2] {
        let mut python = python();
        python.args(["-c", LOOK, &moto.url, region, &subject.facts.digest.to_string()]);
        python.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
        let output = python.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}");
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "completed available [(0, {1}), (1, {2}), (5, {3}), (6, {4}), (11, {0, 5})] [{'UserId': '123456789012'}]\n"
        );
    }
    let again = publish();
    assert!(again.regions.values().all(|region| !region.is_new));
    assert_eq!(again.regions[REGIONS[0]].image, first.regions[REGIONS[0]].image);
}
