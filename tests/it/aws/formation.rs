// SPDX-License-Identifier: Apache-2.0
//! The CloudFormation templates in `image/aws/`: judged by cfn-lint, created on moto, and with the rights of `kiln policy`.
//!
//! `KILN_GOLDEN=write` writes `image/aws/policies.yaml` anew from the table of rights.

use std::path::{Path, PathBuf};

use kiln::cloud::policy::{Scope, Who, document};
use serde_json::{Value, json};

use super::double::KEY;
use super::others::{Moto, python};

const REGION: &str = "eu-central-1";

fn template(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("image/aws").join(name)
}

/// Runs a script with boto3 against moto; returns the JSON that it prints.
fn script(moto: &Moto, text: &str, words: &[&str]) -> Value {
    let mut python = python();
    python.args(["-c", text, &moto.url, REGION]).args(words);
    python.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rights_of(who: Who, vpc: &Value) -> Value {
    let (cluster, vpc) = ("demo".to_owned(), vpc.as_str().unwrap().to_owned());
    document(who, &Scope { cluster, vpc, ..Scope::of("aws").unwrap() })
}

#[test]
fn the_templates_pass_cfn_lint_without_a_word() {
    for name in ["cluster.yaml", "policies.yaml"] {
        let mut python = python();
        // As its own program starts it; every rule, also those that only inform.
        python.args(["-c", "import sys; from cfnlint.runner import main; sys.exit(main())"]);
        python.args(["--include-checks", "I", "--regions", REGION, "--"]).arg(template(name));
        let output = python.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
}

/// Policies for people, each one that `kiln policy` prints but those of the machines' roles.
#[test]
fn policies_yaml_is_what_kiln_policy_prints() {
    let text = policies();
    let path = template("policies.yaml");
    if std::env::var_os("KILN_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, text, "KILN_GOLDEN=write renews it");
}

const HEAD: &str = "\
# SPDX-License-Identifier: Apache-2.0
# What people who work with kiln on AWS may do, as managed policies: the documents that `kiln policy` prints. A test writes this
# file from the same table (KILN_GOLDEN=write) and compares it.
";

fn policies() -> String {
    let mut resources = serde_json::Map::new();
    for (name, who) in Who::ALL.iter().filter(|(_, who)| ![Who::ControlPlane, Who::Worker].contains(who)) {
        let placed = Scope {
            partition: "${AWS::Partition}".to_owned(),
            suffix: "${AWS::URLSuffix}".to_owned(),
            parameters: "${ParametersPath}".to_owned(),
            ..Scope::of("aws").unwrap()
        };
        let document = substituted(document(*who, &placed));
        let logical = name[..1].to_uppercase() + &name[1..];
        let properties = json!({ "Description": format!("kiln policy {name}"), "PolicyDocument": document });
        resources.insert(logical, json!({ "Type": "AWS::IAM::ManagedPolicy", "Properties": properties }));
    }
    let template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What people who work with kiln on AWS may do",
        "Parameters": { "ParametersPath": {
            "Type": "String", "Default": "/kiln",
            "Description": "The path below which the parameters of images lie, with a slash first and none last",
        }},
        "Resources": resources,
    });
    format!("{HEAD}{}", serde_yaml::to_string(&template).unwrap())
}

/// Lets CloudFormation fill in what stands in `${...}`.
fn substituted(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains("${") => json!({ "Fn::Sub": text }),
        Value::Array(items) => items.into_iter().map(substituted).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, substituted(value))).collect(),
        value => value,
    }
}

/// Creates a stack and says what there is: the roles' policies, the instance, its data volume, the group. Then the instance
/// ends, and there are stacks without a control plane and with one on the same volume. moto passes by an instance's volumes,
/// so it is attached here.
const CREATE: &str = r"
import ast, base64, json, sys
import boto3
endpoint, region, path, has_network = sys.argv[1:5]
client = lambda service: boto3.client(service, region_name=region, endpoint_url=endpoint)
ec2, cf, iam, asg, ssm = client('ec2'), client('cloudformation'), client('iam'), client('autoscaling'), client('ssm')
image = ec2.describe_images(Owners=['amazon'])['Images'][0]['ImageId']
ssm.put_parameter(Name='/kiln/images/kiln-node', Type='String', Value=image, DataType='aws:ec2:image', Overwrite=True)
given = {'ControlPlaneUserData': '{\'a\':', 'ControlPlaneUserDataRest': ' 1}', 'WorkerUserData': 'worker'}
if has_network == 'given':
    vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f'10.0.{n}.0/24')['Subnet']['SubnetId'] for n in (1, 2)]
    given |= {'VpcId': vpc, 'ControlPlaneSubnet': subnets[0], 'WorkerSubnets': ','.join(subnets)}
    given['ControlPlaneVolume'] = ec2.create_volume(AvailabilityZone=region + 'a', Size=20)['VolumeId']
parameters = lambda: [{'ParameterKey': key, 'ParameterValue': value} for key, value in given.items()]
stack = 'kiln-' + has_network
cf.create_stack(StackName=stack, TemplateBody=open(path).read(), Capabilities=['CAPABILITY_IAM'],
    Parameters=parameters())
[described] = cf.describe_stacks(StackName=stack)['Stacks']
def found():
    all = cf.describe_stack_resources(StackName=stack)['StackResources']
    return {it['LogicalResourceId']: it.get('PhysicalResourceId') for it in all if 'LogicalResourceId' in it}
resources = found()
def policy(role):
    [name] = iam.list_role_policies(RoleName=role)['PolicyNames']
    document = iam.get_role_policy(RoleName=role, PolicyName=name)['PolicyDocument']
    # moto gives a dictionary's text.
    return ast.literal_eval(document) if isinstance(document, str) else document
def instance():
    [reservation] = ec2.describe_instances(InstanceIds=[resources['ControlPlane']])['Reservations']
    return reservation['Instances'][0]
plane = instance()
user_data = ec2.describe_instance_attribute(InstanceId=plane['InstanceId'], Attribute='userData')['UserData']['Value']
[group] = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[resources['Workers']])['AutoScalingGroups']
template = ec2.describe_launch_template_versions(LaunchTemplateId=resources['WorkerTemplate'])['LaunchTemplateVersions'][0]['LaunchTemplateData']
options = ec2.describe_launch_template_versions(LaunchTemplateId=resources['ControlPlaneTemplate'])['LaunchTemplateVersions'][0]['LaunchTemplateData']['MetadataOptions']
disk = given.get('ControlPlaneVolume') or resources['DataVolume']
ec2.attach_volume(VolumeId=disk, InstanceId=plane['InstanceId'], Device='/dev/sdf')
def tags_of_interfaces(name):
    [version] = ec2.describe_launch_template_versions(LaunchTemplateId=resources[name])['LaunchTemplateVersions']
    of = version['LaunchTemplateData']['TagSpecifications']
    return [tag for it in of if it['ResourceType'] == 'network-interface' for tag in it['Tags']]
[volume] = ec2.describe_volumes(VolumeIds=[disk])['Volumes']
of = lambda instance: [it['Value'] == disk for it in instance['Tags'] if it['Key'] == 'kiln.control_plane.data_volume']
workers = ec2.describe_instances(Filters=[{'Name': 'tag:kiln:role', 'Values': ['worker']},
    {'Name': 'instance-state-name', 'Values': ['running']}])['Reservations']
out = {
    'vpc': resources.get('Vpc') or given['VpcId'],
    'status': described['StackStatus'], 'resources': sorted(resources),
    'policies': [policy(resources['ControlPlaneRole']), policy(resources['WorkerRole'])],
    'plane': {'image': plane['ImageId'] == image, 'address': plane['PrivateIpAddress'], 'tags': plane['Tags'],
        'user_data': base64.b64decode(user_data).decode()},
    'volume': {'size': volume['Size'], 'tagged': of(plane)},
    'plane_metadata': options,
    'interfaces': [tags_of_interfaces('ControlPlaneTemplate'), tags_of_interfaces('WorkerTemplate')],
    'template': {'metadata': template['MetadataOptions'], 'user_data': base64.b64decode(template['UserData']).decode()},
    'group': [group['MinSize'], group['MaxSize'], len(group['VPCZoneIdentifier'].split(','))],
    'workers': sum(len(it['Instances']) for it in workers),
}
ec2.terminate_instances(InstanceIds=[plane['InstanceId']])
[volume] = ec2.describe_volumes(VolumeIds=[disk])['Volumes']
out['volume after the instance'] = volume['State']
asg.delete_auto_scaling_group(AutoScalingGroupName=group['AutoScalingGroupName'], ForceDelete=True)
# moto's updates pass by conditions, so that these are stacks of their own.
given |= {'ClusterName': 'other', 'ControlPlaneInstances': '0'}
stack = cf.create_stack(StackName='none-' + has_network, TemplateBody=open(path).read(), Capabilities=['CAPABILITY_IAM'],
    Parameters=parameters())['StackId']
out['without'] = ['ControlPlane' in found(), 'DataVolume' in found()]
given |= {'ClusterName': 'again', 'ControlPlaneInstances': '1', 'ControlPlaneVolume': disk, 'ControlPlaneAddress': '10.0.1.11'}
stack = cf.create_stack(StackName='again-' + has_network, TemplateBody=open(path).read(), Capabilities=['CAPABILITY_IAM'],
    Parameters=parameters())['StackId']
resources = found()
out['again'] = {'volume': 'DataVolume' in resources, 'tagged': of(instance())}
print(json.dumps(out))
";

#[test]
fn the_cluster_is_created_on_moto_with_the_rights_of_kiln_policy() {
    let path = template("cluster.yaml").display().to_string();
    for has_network in ["made", "given"] {
        let moto = Moto::start();
        let told = script(&moto, CREATE, &[&path, has_network]);
        assert_eq!(told["status"], "CREATE_COMPLETE", "{told}");
        assert_eq!(
            told["policies"],
            json!([rights_of(Who::ControlPlane, &told["vpc"]), rights_of(Who::Worker, &told["vpc"])]),
            "{has_network}"
        );
        let resources: Vec<&str> =
            told["resources"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        let network = ["Vpc", "Gateway", "FirstSubnet", "SecondSubnet", "Routes", "DefaultRoute"];
        for name in network {
            assert_eq!(resources.contains(&name), has_network == "made", "{name}: {resources:?}");
        }
        let plane = &told["plane"];
        assert_eq!((&plane["image"], &plane["address"]), (&true.into(), &"10.0.1.10".into()), "{told}");
        assert_eq!(plane["user_data"], "{'a': 1}", "both parts");
        for (key, value) in [("kiln:cluster", "demo"), ("kiln:role", "control-plane")] {
            let is_tagged =
                plane["tags"].as_array().unwrap().contains(&json!({ "Key": key, "Value": value }));
            assert!(is_tagged, "{told}");
        }
        assert_eq!(told["volume"], json!({ "size": 20, "tagged": [true] }), "{told}");
        assert_eq!(resources.contains(&"DataVolume"), has_network == "made", "{resources:?}");
        assert_eq!(told["plane_metadata"]["InstanceMetadataTags"], "enabled", "first boot reads the tag");
        for tags in told["interfaces"].as_array().unwrap() {
            let tag = json!({ "Key": "kiln:cluster", "Value": "demo" });
            assert!(tags.as_array().unwrap().contains(&tag), "what the roles' policies know it by: {told}");
        }
        assert_eq!(told["template"]["metadata"]["HttpTokens"], "required", "{told}");
        assert_eq!(told["template"]["metadata"]["HttpPutResponseHopLimit"], 1, "{told}");
        assert_eq!(told["template"]["user_data"], "worker", "{told}");
        assert_eq!((&told["group"], &told["workers"]), (&json!([1, 10, 2]), &1.into()), "{told}");
        assert_eq!(told["volume after the instance"], "available", "{told}");
        assert_eq!(told["without"], json!([false, has_network == "made"]), "{told}");
        assert_eq!(told["again"], json!({ "volume": false, "tagged": [true] }), "{told}");
    }
}

/// moto ends volumes with their stack and knows no volumes of instances, so this is for the template alone to say.
#[test]
fn the_data_volume_is_kept_by_instance_and_stack() {
    let text = std::fs::read_to_string(template("cluster.yaml")).unwrap();
    let template: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let volume = &template["Resources"]["DataVolume"];
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        assert_eq!(volume[policy].as_str(), Some("Retain"), "{policy}");
    }
    assert_eq!(volume["Properties"]["Encrypted"].as_bool(), Some(true));
    let plane = &template["Resources"]["ControlPlane"]["Properties"];
    let name = |value: &serde_yaml::Value| serde_yaml::to_string(value).unwrap();
    let tag = plane["Tags"].as_sequence().unwrap().last().unwrap();
    assert_eq!(tag["Key"].as_str(), Some("kiln.control_plane.data_volume"));
    assert_eq!(
        name(&plane["Volumes"][0]["VolumeId"]),
        name(&tag["Value"]),
        "what is attached is what is named"
    );
    assert_eq!(
        plane["BlockDeviceMappings"][0]["DeviceName"].as_str(),
        Some("/dev/xvda"),
        "as kiln publish registers it"
    );
}

/// What `kiln user-data` prints fits into the template's parameters, which take 4,096 characters each.
#[test]
fn user_data_fits_into_the_parameters() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("image/cluster.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let cluster = kiln::launch::parse(&file, &text).unwrap_or_else(|problems| panic!("{problems}"));
    for role in [kiln::settings::Role::ControlPlane, kiln::settings::Role::Worker] {
        let data = kiln::launch::render(
            &cluster,
            role,
            &kiln::launch::Given::default(),
            kiln::launch::Form::Ignition,
        )
        .unwrap();
        assert!(data.len() < 4096, "{role:?}: {}", data.len());
    }
}
