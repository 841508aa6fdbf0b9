// SPDX-License-Identifier: Apache-2.0
//! The same calls against the double and against moto: where they differ is listed in `tests/golden/aws/moto.txt`, so that nobody
//! takes what moto lets pass for what AWS does. Each of the double's answers is the documentation's (see the double).
//!
//! `KILN_GOLDEN=write` renews the list; read the difference before committing it.

use super::double::vpc::{Table, VPC};
use super::double::{Double, KEY, Weather};
use super::others::{Moto, python};
use super::targets::check_golden;

const REGION: &str = "us-east-1";

/// Prints `CALL | WHAT CAME OF IT` for each call; ids are told by their kind.
const CALLS: &str = r"
import base64, hashlib, re, sys
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
endpoint, region, vpc, table, subnet, secgroup = sys.argv[1:7]
config = Config(retries={'max_attempts': 1}, parameter_validation=False)
client = lambda service: boto3.client(service, region_name=region, endpoint_url=endpoint, config=config)
ec2, ebs, ssm, asg = client('ec2'), client('ebs'), client('ssm'), client('autoscaling')
BLOCK = 524288
def said(name, call, show=lambda answer: 'done'):
    try:
        answer = call()
        text = show(answer)
    except ClientError as error:
        answer, text = None, error.response['Error']['Code']
    except ResponseParserError:
        answer, text = None, 'no answer of the API'
    print(f'{name} | {text}', flush=True)
    return answer
digest = lambda data: base64.b64encode(hashlib.sha256(data).digest()).decode()
def start(token, **more):
    given = {'VolumeSize': 1, 'ClientToken': token, 'Timeout': 60} | more
    return ebs.start_snapshot(**given)
def put(snapshot, index=0, data=b'a' * BLOCK, checksum=None, length=BLOCK):
    return ebs.put_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockData=data, DataLength=length,
        Checksum=checksum or digest(data), ChecksumAlgorithm='SHA256')
def complete(snapshot, count, blocks=(b'a' * BLOCK,)):
    linear = digest(b''.join(hashlib.sha256(block).digest() for block in blocks))
    return ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=count, Checksum=linear,
        ChecksumAlgorithm='SHA256', ChecksumAggregationMethod='LINEAR')

first = said('ebs:StartSnapshot', lambda: start('one'), lambda it: it['BlockSize'])['SnapshotId']
said('ebs:StartSnapshot, its token again', lambda: start('one'), lambda it: 'the same' if it['SnapshotId'] == first else 'another')
said('ebs:StartSnapshot, its token with another size', lambda: start('one', VolumeSize=2))
said('ebs:StartSnapshot, volume of 0 GiB', lambda: start('none', VolumeSize=0))
said('ebs:StartSnapshot, timeout of 5 minutes', lambda: start('short', Timeout=5))
said('ebs:PutSnapshotBlock', lambda: put(first))
said('ebs:PutSnapshotBlock, wrong checksum', lambda: put(first, checksum=digest(b'b')))
said('ebs:PutSnapshotBlock, behind the end', lambda: put(first, index=2048))
said('ebs:PutSnapshotBlock, half a block', lambda: put(first, index=1, data=b'a' * 1024, length=1024))
said('ebs:PutSnapshotBlock, no such snapshot', lambda: put('snap-0123456789abcdef0'))
said('ebs:ListSnapshotBlocks, pending', lambda: ebs.list_snapshot_blocks(SnapshotId=first))
said('ebs:CompleteSnapshot, wrong number', lambda: complete(first, 7))
second = start('two')['SnapshotId']
put(second)
said('ebs:CompleteSnapshot, wrong checksum over all', lambda: complete(second, 1, (b'b' * BLOCK,)))
third = start('three')['SnapshotId']
put(third)
said('ebs:CompleteSnapshot', lambda: complete(third, 1))
said('ebs:PutSnapshotBlock, complete', lambda: put(third))
blocks = said('ebs:ListSnapshotBlocks', lambda: ebs.list_snapshot_blocks(SnapshotId=third), lambda it: [len(it['Blocks']), it['BlockSize'], it['VolumeSize']])['Blocks']
said('ebs:ListSnapshotBlocks, pages of 5', lambda: ebs.list_snapshot_blocks(SnapshotId=third, MaxResults=5))
said('ebs:ListSnapshotBlocks, no such snapshot', lambda: ebs.list_snapshot_blocks(SnapshotId='snap-0123456789abcdef0'))
get = lambda **given: ebs.get_snapshot_block(**({'SnapshotId': third, 'BlockIndex': 0, 'BlockToken': blocks[0]['BlockToken']} | given))
said('ebs:GetSnapshotBlock', get, lambda it: digest(it['BlockData'].read()) == it['Checksum'])
said('ebs:GetSnapshotBlock, wrong token', lambda: get(BlockToken='other'))
said('ebs:StartSnapshot, parent with encryption', lambda: start('child', ParentSnapshotId=third, Encrypted=True))
said('ebs:StartSnapshot, smaller than its parent', lambda: start('small', ParentSnapshotId=third, VolumeSize=0))

def register(name, **more):
    disk = {'DeviceName': '/dev/xvda', 'Ebs': {'SnapshotId': third, 'VolumeSize': 8, 'VolumeType': 'gp3', 'DeleteOnTermination': True}}
    given = {'Name': name, 'Architecture': 'x86_64', 'RootDeviceName': '/dev/xvda', 'BlockDeviceMappings': [disk],
        'VirtualizationType': 'hvm', 'BootMode': 'uefi-preferred', 'EnaSupport': True, 'ImdsSupport': 'v2.0'}
    return ec2.register_image(**(given | more))
image = said('ec2:RegisterImage', lambda: register('kiln-one'))['ImageId']
said('ec2:RegisterImage, the same name', lambda: register('kiln-one'))
said('ec2:RegisterImage, name of 2 letters', lambda: register('ab'))
said('ec2:RegisterImage, root device that is not mapped', lambda: register('kiln-two', RootDeviceName='/dev/sda1'))
said('ec2:RegisterImage, TPM without UEFI', lambda: register('kiln-tpm', TpmSupport='v2.0'))
look = lambda: ec2.describe_images(ImageIds=[image])['Images'][0]
said('ec2:DescribeImages, its snapshot', look, lambda it: 'ours' if it['BlockDeviceMappings'][0]['Ebs']['SnapshotId'] == third else 'another')
said('ec2:DescribeImages, unknown', lambda: ec2.describe_images(ImageIds=['ami-0123456789abcdef0']))
said('ec2:EnableImageDeprecation', lambda: ec2.enable_image_deprecation(ImageId=image, DeprecateAt='2030-01-01T00:00:00Z'))
said('ec2:DeleteSnapshot, of an image', lambda: ec2.delete_snapshot(SnapshotId=third))
said('ec2:DeregisterImage', lambda: ec2.deregister_image(ImageId=image))
said('ec2:DeregisterImage, again', lambda: ec2.deregister_image(ImageId=image))

put_parameter = lambda value, **more: ssm.put_parameter(Name='/kiln/one', Value=value, Type='String', DataType='aws:ec2:image', **more)
names = lambda: ssm.get_parameters(Names=['/kiln/one', '/kiln/two'])
put_parameter('ami-0123456789abcdef0')
said('ssm:GetParameters, of an image that is not there', names, lambda it: [len(it['Parameters']), sorted(it['InvalidParameters'])])
again = register('kiln-three')['ImageId']
put_parameter(again, Overwrite=True)
said('ssm:PutParameter, without Overwrite', lambda: put_parameter(again))
said('ssm:DeleteParameter, unknown', lambda: ssm.delete_parameter(Name='/kiln/three'))

said('ec2:DescribeSubnets, unknown', lambda: ec2.describe_subnets(SubnetIds=['subnet-0123456789abcdef0']))
said('ec2:DescribeSubnets', lambda: ec2.describe_subnets(SubnetIds=[subnet]), lambda it: it['Subnets'][0]['VpcId'] == vpc)
of_vpc = [{'Name': 'vpc-id', 'Values': [vpc]}]
said('ec2:DescribeRouteTables', lambda: ec2.describe_route_tables(Filters=of_vpc), lambda it: len(it['RouteTables']))
said('ec2:DescribeRouteTables, pages of 3', lambda: ec2.describe_route_tables(Filters=of_vpc, MaxResults=3))
said('ec2:DescribeRouteTables, pages of 1,000', lambda: ec2.describe_route_tables(Filters=of_vpc, MaxResults=1000))
tagged = [{'Name': 'tag:kiln:cluster', 'Values': ['demo']}]
said('ec2:DescribeInstances, pages of 3', lambda: ec2.describe_instances(Filters=tagged, MaxResults=3))
said('ec2:DescribeInstances, pages of 2,000', lambda: ec2.describe_instances(Filters=tagged, MaxResults=2000))
said('ec2:DeleteRoute, unknown', lambda: ec2.delete_route(RouteTableId=table, DestinationCidrBlock='192.0.2.0/24'))
said('ec2:DeleteRoute, local', lambda: ec2.delete_route(RouteTableId=table, DestinationCidrBlock='10.0.0.0/16'))
launchable = register('kiln-launched')['ImageId']
def run(token, **more):
    options = {'HttpTokens': 'required', 'HttpPutResponseHopLimit': 1, 'HttpEndpoint': 'enabled'}
    given = {'ClientToken': token, 'MinCount': 1, 'MaxCount': 1, 'ImageId': launchable, 'InstanceType': 'm5.large', 'SubnetId': subnet,
        'SecurityGroupIds': [secgroup], 'MetadataOptions': options, 'UserData': 'text'}
    return ec2.run_instances(**(given | more))['Instances']
launched = said('ec2:RunInstances', lambda: run('one'), len)[0]['InstanceId']
said('ec2:RunInstances, its token again', lambda: run('one'), lambda it: 'the same' if it[0]['InstanceId'] == launched else 'another')
said('ec2:RunInstances, its token with another type', lambda: run('one', InstanceType='m5.xlarge'))
said('ec2:RunInstances, no such image', lambda: run('image', ImageId='ami-0123456789abcdef0'))
said('ec2:RunInstances, no such subnet', lambda: run('subnet', SubnetId='subnet-0123456789abcdef0'))
said('ec2:RunInstances, no such group', lambda: run('group', SecurityGroupIds=['sg-0123456789abcdef0']))
said('ec2:RunInstances, no such profile', lambda: run('profile', IamInstanceProfile={'Name': 'none'}))
said('ec2:RunInstances, hop limit of 65', lambda: run('hops', MetadataOptions={'HttpPutResponseHopLimit': 65}))
said('ec2:RunInstances, fewer than none', lambda: run('none', MinCount=0, MaxCount=0))
said('ec2:RunInstances, one address for two', lambda: run('two', MinCount=2, MaxCount=2, PrivateIpAddress='10.0.1.77'))
said('ec2:RunInstances, user-data of 17 KiB', lambda: run('long', UserData='x' * (17 << 10)))
said('ec2:RunInstances, spot', lambda: run('spot', InstanceMarketOptions={'MarketType': 'spot'}), len)
said('ec2:RunInstances, a market that is none', lambda: run('market', InstanceMarketOptions={'MarketType': 'fair'}))
said('ec2:GetConsoleOutput, unknown', lambda: ec2.get_console_output(InstanceId='i-0123456789abcdef0'))
said('ec2:TerminateInstances', lambda: ec2.terminate_instances(InstanceIds=[launched]))
said('ec2:TerminateInstances, unknown', lambda: ec2.terminate_instances(InstanceIds=['i-0123456789abcdef0']))

data = {'ImageId': launchable, 'InstanceType': 'm5.large', 'SecurityGroupIds': [secgroup], 'UserData': base64.b64encode(b'text').decode()}
template = lambda call, name: call(LaunchTemplateName=name, LaunchTemplateData=data)
said('ec2:CreateLaunchTemplateVersion, of none', lambda: template(ec2.create_launch_template_version, 'kiln-demo'))
said('ec2:CreateLaunchTemplate', lambda: template(ec2.create_launch_template, 'kiln-demo'))
said('ec2:CreateLaunchTemplate, again', lambda: template(ec2.create_launch_template, 'kiln-demo'))
def group(name, **more):
    given = {'AutoScalingGroupName': name, 'LaunchTemplate': {'LaunchTemplateName': 'kiln-demo', 'Version': '$Latest'}, 'MinSize': 0,
        'MaxSize': 3, 'DesiredCapacity': 2, 'VPCZoneIdentifier': subnet, 'HealthCheckType': 'EC2', 'HealthCheckGracePeriod': 600}
    return asg.create_auto_scaling_group(**(given | more))
described = lambda name: asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])['AutoScalingGroups']
said('autoscaling:DescribeAutoScalingGroups, unknown', lambda: described('kiln-demo'), len)
said('autoscaling:CreateAutoScalingGroup, of no template', lambda: group('kiln-none', LaunchTemplate={'LaunchTemplateName': 'kiln-none', 'Version': '$Latest'}))
said('autoscaling:CreateAutoScalingGroup, no such subnet', lambda: group('kiln-none', VPCZoneIdentifier='subnet-0123456789abcdef0'))
said('autoscaling:CreateAutoScalingGroup', lambda: group('kiln-demo'))
said('autoscaling:CreateAutoScalingGroup, again', lambda: group('kiln-demo'))
members = said('autoscaling:DescribeAutoScalingGroups', lambda: described('kiln-demo'), lambda it: [it[0]['DesiredCapacity'], it[0]['MaxSize'], len(it[0]['Instances'])])[0]['Instances']
health = lambda id, word: asg.set_instance_health(InstanceId=id, HealthStatus=word, ShouldRespectGracePeriod=True)
said('autoscaling:SetInstanceHealth, unknown', lambda: health('i-0123456789abcdef0', 'Unhealthy'))
said('autoscaling:SetInstanceHealth, a word that is none', lambda: health(members[0]['InstanceId'], 'Ill'))
said('autoscaling:SetInstanceHealth', lambda: health(members[0]['InstanceId'], 'Unhealthy'))
said('autoscaling:DescribeAutoScalingGroups, after it', lambda: described('kiln-demo'), lambda it: [
    members[0]['InstanceId'] in [one['InstanceId'] for one in it[0]['Instances']], len(it[0]['Instances'])])
resize = lambda name: asg.update_auto_scaling_group(AutoScalingGroupName=name, VPCZoneIdentifier=subnet, MinSize=0, MaxSize=5, DesiredCapacity=3)
said('autoscaling:UpdateAutoScalingGroup', lambda: resize('kiln-demo'))
said('ec2:CreateLaunchTemplateVersion', lambda: template(ec2.create_launch_template_version, 'kiln-demo'))
said('autoscaling:UpdateAutoScalingGroup, of the second version', lambda: asg.update_auto_scaling_group(
    AutoScalingGroupName='kiln-demo', VPCZoneIdentifier=subnet, MinSize=0, MaxSize=5, DesiredCapacity=4))
said('autoscaling:UpdateAutoScalingGroup, unknown', lambda: resize('kiln-none'))
said('autoscaling:StartInstanceRefresh', lambda: asg.start_instance_refresh(AutoScalingGroupName='kiln-demo'))
end = lambda name, **more: asg.delete_auto_scaling_group(AutoScalingGroupName=name, **more)
said('autoscaling:DeleteAutoScalingGroup, with instances', lambda: end('kiln-demo'))
said('autoscaling:DeleteAutoScalingGroup, by force', lambda: end('kiln-demo', ForceDelete=True))
said('autoscaling:DeleteAutoScalingGroup, unknown', lambda: end('kiln-demo', ForceDelete=True))
said('ec2:DeleteLaunchTemplate', lambda: ec2.delete_launch_template(LaunchTemplateName='kiln-demo'))
said('ec2:DeleteLaunchTemplate, again', lambda: ec2.delete_launch_template(LaunchTemplateName='kiln-demo'))

share = lambda value, kind: ssm.put_parameter(Name='/kiln/clusters/demo/token', Value=value, Type=kind, Overwrite=True)
said('ssm:PutParameter, a secret', lambda: share('abcdef.0123456789abcdef', 'SecureString'))
secret = lambda **more: ssm.get_parameters(Names=['/kiln/clusters/demo/token'], **more)
is_told = lambda it: 'told' if it['Parameters'][0]['Value'] == 'abcdef.0123456789abcdef' else 'not told'
said('ssm:GetParameters, a secret', secret, is_told)
said('ssm:GetParameters, a secret in the clear', lambda: secret(WithDecryption=True), is_told)
said('ssm:PutParameter, a kind that is none', lambda: share('text', 'Text'))
said('ssm:PutParameter, 5,000 bytes', lambda: share('x' * 5000, 'String'))
said('ec2:DeleteRoute, no such table', lambda: ec2.delete_route(RouteTableId='rtb-0123456789abcdef0', DestinationCidrBlock='192.0.2.0/24'))
";

/// Makes a VPC on moto, and prints its id, its main table's, a subnet's and a security group's.
const GROUND: &str = r"
import sys
import boto3
ec2 = boto3.client('ec2', region_name=sys.argv[2], endpoint_url=sys.argv[1])
vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock='10.0.1.0/24')['Subnet']['SubnetId']
[table] = ec2.describe_route_tables(Filters=[{'Name': 'vpc-id', 'Values': [vpc]}])['RouteTables']
group = ec2.create_security_group(VpcId=vpc, GroupName='nodes', Description='nodes')['GroupId']
print(vpc, table['RouteTableId'], subnet, group)
";

fn script(text: &str, words: &[&str]) -> String {
    let mut python = python();
    python.args(["-c", text]).args(words);
    python.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
    let output = python.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn where_moto_differs_from_the_double_is_listed() {
    let moto = Moto::start();
    let ground = script(GROUND, &[&moto.url, REGION]);
    let ground: Vec<&str> = ground.split_whitespace().collect();
    let double = Double::start(Weather::default());
    {
        let mut state = double.state();
        let region = state.region(REGION);
        region.ground.subnets.insert("subnet-1".to_owned());
        region.ground.groups.insert("sg-1".to_owned());
        let routes = [("10.0.0.0/16".to_owned(), "local".to_owned())].into();
        region.tables.insert("rtb-1".to_owned(), Table { is_main: true, routes, ..Table::default() });
    }
    let strict = script(CALLS, &[&double.url(), REGION, VPC, "rtb-1", "subnet-1", "sg-1"]);
    let lenient = script(CALLS, &[&[&moto.url, REGION], &ground[..]].concat());
    let mut differences = String::new();
    let mut same = 0;
    assert_eq!(strict.lines().count(), lenient.lines().count());
    for (one, other) in strict.lines().zip(lenient.lines()) {
        let ((call, strict), (_, lenient)) =
            (one.split_once(" | ").unwrap(), other.split_once(" | ").unwrap());
        match strict == lenient {
            true => same += 1,
            false => {
                differences += &format!("{call}\n  documented, and the double: {strict}\n  moto: {lenient}\n")
            }
        }
    }
    let text = format!(
        "What moto 5.2.5 does otherwise than AWS documents it and the double of these tests does.\n{same} of {} calls end the \
         same; these do not:\n\n{differences}",
        strict.lines().count()
    );
    check_golden("tests/golden/aws/moto.txt", &text).unwrap_or_else(|words| panic!("{words}"));
}
