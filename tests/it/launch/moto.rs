// SPDX-License-Identifier: Apache-2.0
//! The same calls at moto, and what boto3 sees of them there.

use std::time::Duration;

use kiln::cloud::{InstanceState, Limits, NewGroup, NewInstances};

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
      options['HttpTokens'], options['HttpPutResponseHopLimit'], tags['kiln:cluster'], base64.b64decode(data).decode(),
      instance.get('InstanceLifecycle', 'on-demand'))
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
    let new = new(subnet, group, image);
    let alone = NewInstances { address: Some("10.0.1.10".parse().unwrap()), ..new.clone() };
    let spot = NewInstances { token: "kiln-test-1".to_owned(), is_spot: true, ..new };
    runtime().block_on(async {
        let region = region(&moto).await;
        region.rehearse(&alone).await.unwrap();
        assert!(
            region.instances_tagged("kiln:cluster", "demo").await.unwrap().is_empty(),
            "nothing is launched"
        );
        let known = region.subnets(&[subnet.to_owned(), "subnet-00000000".to_owned()]).await.unwrap();
        let ranges: Vec<_> = known.iter().map(|it| (it.id.as_str(), it.ranges[0].to_string())).collect();
        assert_eq!(ranges, [(subnet, "10.0.1.0/24".to_owned())]);
        assert_eq!(region.architectures("m5.large").await.unwrap().unwrap(), ["x86_64"]);
        assert_eq!(region.architectures("q1.large").await.unwrap(), None);
        assert!(
            ["x86_64", "arm64"].contains(&region.image(image).await.unwrap().unwrap().architecture.as_str())
        );
        let made = region.run(&alone).await.unwrap();
        let ids = vec![made[0].id.clone()];
        let seen = said(LOOK, &[&moto.url, &ids[0]]);
        assert_eq!(seen, "running m5.large 10.0.1.10 required 1 demo {\"ignition\": {}} on-demand\n");
        assert_eq!(region.instances(&ids).await.unwrap()[0].state, InstanceState::Running);
        assert_eq!(region.instances_tagged("kiln:cluster", "demo").await.unwrap()[0].id, ids[0]);
        assert!(region.instances_tagged("kiln:cluster", "other").await.unwrap().is_empty());
        region.console(&ids[0]).await.unwrap();
        region.terminate(&ids).await.unwrap();
        assert_eq!(region.instances(&ids).await.unwrap()[0].state, InstanceState::Terminated);
        assert!(region.instances_tagged("kiln:cluster", "demo").await.unwrap().is_empty());
        let forgotten = "i-00000000000000000".to_owned();
        region.terminate(std::slice::from_ref(&forgotten)).await.unwrap();
        let made = region.run(&spot).await.unwrap();
        let seen = said(LOOK, &[&moto.url, &made[0].id]);
        assert!(seen.ends_with(" required 1 demo {\"ignition\": {}} spot\n"), "{seen}");
        // One that EC2 has forgotten says nothing of the others.
        let both = vec![forgotten, made[0].id.clone()];
        let left = async || region.instances_left(&both).await.unwrap();
        assert_eq!(left().await[0].state, InstanceState::Running);
        region.terminate(&both).await.unwrap();
        let states: Vec<InstanceState> = left().await.into_iter().map(|it| it.state).collect();
        assert_eq!(states, [InstanceState::Terminated]);
    });
}

fn new(subnet: &str, group: &str, image: &str) -> NewInstances {
    NewInstances {
        token: "kiln-test-0".to_owned(),
        count: 1,
        image: image.to_owned(),
        instance_type: "m5.large".to_owned(),
        subnet: subnet.to_owned(),
        security_groups: vec![group.to_owned()],
        instance_profile: Some("kiln-worker".to_owned()),
        address: None,
        is_spot: false,
        user_data: "{\"ignition\": {}}".to_owned(),
        tags: [("kiln:cluster".to_owned(), "demo".to_owned())].into(),
    }
}

async fn region(moto: &Moto) -> kiln::cloud::Region {
    // moto loads each service with its first call, which takes seconds.
    let patient = Limits { poll: Duration::from_millis(50), ..Limits::default() };
    cloud(&moto.url, KEY, patient).await.region(REGION)
}

/// What boto3 sees of a group: its size, its template's newest version, and an instance of it.
const LOOK_AT_GROUP: &str = r"
import base64, sys
import boto3
client = lambda service: boto3.client(service, region_name='eu-central-1', endpoint_url=sys.argv[1])
ec2, asg = client('ec2'), client('autoscaling')
[group] = asg.describe_auto_scaling_groups(AutoScalingGroupNames=['kiln-demo-worker'])['AutoScalingGroups']
versions = ec2.describe_launch_template_versions(LaunchTemplateName='kiln-demo-worker')['LaunchTemplateVersions']
data = max(versions, key=lambda it: it['VersionNumber'])['LaunchTemplateData']
[instance] = ec2.describe_instances(InstanceIds=[group['Instances'][0]['InstanceId']])['Reservations'][0]['Instances']
tags = {tag['Key']: tag['Value'] for tag in instance['Tags']}
options = data['MetadataOptions']
print(group['DesiredCapacity'], group['MaxSize'], group['HealthCheckType'], group['HealthCheckGracePeriod'], len(group['Instances']),
      len(versions), options['HttpTokens'], options['HttpPutResponseHopLimit'], data.get('InstanceMarketOptions', {}).get('MarketType'),
      base64.b64decode(data['UserData']).decode(), tags['aws:autoscaling:groupName'])
";

#[test]
fn the_same_calls_make_resize_and_end_a_group_at_moto() {
    let moto = Moto::start();
    let ground = said(GROUND, &[&moto.url]);
    let [subnet, group, image] = ground.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{ground}")
    };
    let template = new(subnet, group, image);
    let spot = NewInstances { is_spot: true, token: "kiln-test-1".to_owned(), ..template.clone() };
    let name = "kiln-demo-worker".to_owned();
    let wanted = NewGroup { name: name.clone(), subnets: vec![subnet.to_owned()], desired: 2, max: 3 };
    runtime().block_on(async {
        let region = region(&moto).await;
        assert_eq!(region.group(&name).await.unwrap(), None);
        region.template(&name, &template).await.unwrap();
        region.create_group(&wanted).await.unwrap();
        // An answer that was lost.
        region.create_group(&wanted).await.unwrap();
        let made = region.group(&name).await.unwrap().unwrap();
        assert_eq!((made.desired, made.max, made.instances.len()), (2, 3, 2));
        let seen = said(LOOK_AT_GROUP, &[&moto.url]);
        assert_eq!(seen, "2 3 EC2 600 2 1 required 1 None {\"ignition\": {}} kiln-demo-worker\n");
        region.resize_group(&NewGroup { desired: 3, max: 5, ..wanted }).await.unwrap();
        // moto can't launch of a second version.
        region.template(&name, &spot).await.unwrap();
        let seen = said(LOOK_AT_GROUP, &[&moto.url]);
        assert_eq!(seen, "3 5 EC2 600 3 2 required 1 spot {\"ignition\": {}} kiln-demo-worker\n");
        // A parameter is the only other thing that a launch reads.
        assert!(region.parameters(&["/kiln/images/kiln-node".to_owned()]).await.unwrap().is_empty());
        region.delete_group(&name).await.unwrap();
        assert_eq!(region.group(&name).await.unwrap(), None);
    });
}
