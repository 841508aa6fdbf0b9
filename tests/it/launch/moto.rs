// SPDX-License-Identifier: Apache-2.0
//! The same calls at moto, and what boto3 sees of them there.

use std::time::Duration;

use kiln::cloud::{InstanceState, Limits, NewInstances};

use crate::aws::double::KEY;
use crate::aws::others::{Moto, python};
use crate::aws::stage::{cloud, runtime};

const REGION: &str = "eu-central-1";

/// Makes what an account has before: a subnet, a group, a profile, an image.
const GROUND: &str = r"
import sys
import boto3
client = lambda service: boto3.client(service, region_name='eu-central-1', endpoint_url=sys.argv[1])
ec2, iam = client('ec2'), client('iam')
vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock='10.0.1.0/24')['Subnet']['SubnetId']
group = ec2.create_security_group(VpcId=vpc, GroupName='nodes', Description='nodes')['GroupId']
iam.create_instance_profile(InstanceProfileName='kiln-worker')
image = ec2.describe_images()['Images'][0]['ImageId']
print(subnet, group, image)
";

const LOOK: &str = r"
import base64, sys
import boto3
ec2 = boto3.client('ec2', region_name='eu-central-1', endpoint_url=sys.argv[1])
[instance] = ec2.describe_instances(InstanceIds=[sys.argv[2]])['Reservations'][0]['Instances']
options = instance['MetadataOptions']
data = ec2.describe_instance_attribute(InstanceId=sys.argv[2], Attribute='userData')['UserData']['Value']
tags = {tag['Key']: tag['Value'] for tag in instance['Tags']}
print(instance['State']['Name'], instance['InstanceType'], instance['PrivateIpAddress'],
      options['HttpTokens'], options['HttpPutResponseHopLimit'], tags['kiln:cluster'], base64.b64decode(data).decode())
";

fn said(script: &str, words: &[&str]) -> String {
    let mut python = python();
    python.args(["-c", script]).args(words);
    python.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_same_calls_launch_and_terminate_at_moto() {
    let moto = Moto::start();
    let ground = said(GROUND, &[&moto.url]);
    let [subnet, group, image] = ground.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{ground}")
    };
    let new = NewInstances {
        token: "kiln-test-0".to_owned(),
        count: 1,
        image: image.to_owned(),
        instance_type: "m5.large".to_owned(),
        subnet: subnet.to_owned(),
        security_groups: vec![group.to_owned()],
        instance_profile: Some("kiln-worker".to_owned()),
        address: Some("10.0.1.10".parse().unwrap()),
        is_spot: false,
        user_data: "{\"ignition\": {}}".to_owned(),
        tags: [("kiln:cluster".to_owned(), "demo".to_owned())].into(),
    };
    // moto loads each service with its first call, which takes seconds.
    let patient = Limits { poll: Duration::from_millis(50), ..Limits::default() };
    runtime().block_on(async {
        let region = cloud(&moto.url, KEY, patient).await.region(REGION);
        let made = region.run(&new).await.unwrap();
        let ids = vec![made[0].id.clone()];
        let seen = said(LOOK, &[&moto.url, &ids[0]]);
        assert_eq!(seen, "running m5.large 10.0.1.10 required 1 demo {\"ignition\": {}}\n");
        assert_eq!(region.instances(&ids).await.unwrap()[0].state, InstanceState::Running);
        assert_eq!(region.instances_tagged("kiln:cluster", "demo").await.unwrap()[0].id, ids[0]);
        assert!(region.instances_tagged("kiln:cluster", "other").await.unwrap().is_empty());
        region.console(&ids[0]).await.unwrap();
        region.terminate(&ids).await.unwrap();
        assert_eq!(region.instances(&ids).await.unwrap()[0].state, InstanceState::Terminated);
        assert!(region.instances_tagged("kiln:cluster", "demo").await.unwrap().is_empty());
        region.terminate(&["i-00000000000000000".to_owned()]).await.unwrap();
    });
}
