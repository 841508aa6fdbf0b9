// SPDX-License-Identifier: Apache-2.0
//! The table of rights: who, which call, which action, on what, only if, what for. A call that is not here is a bug, and a
//! test compares it with every call that the other tests make.

use super::{Right, Who};

/// Services that name no resource in these actions (describe calls), or whose names are not known beforehand.
const ANY: &[&str] = &["*"];
/// An image is the region's and account's own; the account is left open so that the document need not know it.
const IMAGES: &[&str] = &["arn:{partition}:ec2:*::image/*"];
const SNAPSHOTS: &[&str] = &["arn:{partition}:ec2:*::snapshot/*"];
const IMAGES_AND_SNAPSHOTS: &[&str] =
    &["arn:{partition}:ec2:*::image/*", "arn:{partition}:ec2:*::snapshot/*"];
const PARAMETERS: &[&str] = &["arn:{partition}:ssm:*:*:parameter{parameters}/*"];
const TEMPLATES: &[&str] = &["arn:{partition}:ec2:*:*:launch-template/*"];
/// Groups that kiln makes have such names.
const GROUPS: &[&str] = &["arn:{partition}:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/kiln-*"];
const SCALING_ROLES: &[&str] = &["arn:{partition}:iam::*:role/aws-service-role/autoscaling.amazonaws.com/*"];
/// What control planes share.
const CLUSTERS: &[&str] = &["arn:{partition}:ssm:*:*:parameter{parameters}/clusters/*"];
const TOKENS: &[&str] = &["arn:{partition}:ssm:*:*:parameter{parameters}/clusters/*/token"];
const TABLES: &[&str] = &["arn:{partition}:ec2:*:*:route-table/*"];
const INTERFACES: &[&str] = &["arn:{partition}:ec2:*:*:network-interface/*"];
const KEYS: &[&str] = &["arn:{partition}:kms:*:*:key/*"];
const INSTANCES: &[&str] = &["arn:{partition}:ec2:*:*:instance/*"];
/// What RunInstances makes and uses ("Actions, resources, and condition keys for Amazon EC2").
const LAUNCHED: &[&str] = &[
    "arn:{partition}:ec2:*:*:instance/*",
    "arn:{partition}:ec2:*:*:volume/*",
    "arn:{partition}:ec2:*:*:network-interface/*",
    "arn:{partition}:ec2:*:*:subnet/*",
    "arn:{partition}:ec2:*:*:security-group/*",
    "arn:{partition}:ec2:*::image/*",
    "arn:{partition}:ec2:*::snapshot/*",
];
const TAGGED: &[&str] = &[
    "arn:{partition}:ec2:*:*:instance/*",
    "arn:{partition}:ec2:*:*:volume/*",
    "arn:{partition}:ec2:*:*:network-interface/*",
];
const ROLES: &[&str] = &["arn:{partition}:iam::*:role/*"];

/// The machines of a cluster, whatever their role.
const NODES: &[Who] = &[Who::ControlPlane, Who::Worker];

type Condition = Option<(&'static str, &'static str, &'static [&'static str])>;

/// What kiln has made bears the digest of its image as a tag.
const OURS: Condition = Some(("Null", "aws:ResourceTag/kiln:image", &["false"]));
/// Tags are given with the creation and never later.
const AT_CREATION: Condition =
    Some(("StringEquals", "ec2:CreateAction", &["RegisterImage", "StartSnapshot"]));
/// Keys are used through the service that stores the snapshot, and by nothing else.
const VIA_EC2: Condition = Some(("StringLike", "kms:ViaService", &["ec2.*.amazonaws.com"]));
/// What kiln has launched bears its cluster as a tag.
const OURS_LAUNCHED: Condition = Some(("Null", "aws:ResourceTag/kiln:cluster", &["false"]));
const AT_LAUNCH: Condition = Some(("StringEquals", "ec2:CreateAction", &["RunInstances"]));
const TO_EC2: Condition = Some(("StringLike", "iam:PassedToService", &["ec2.amazonaws.com*"]));
const FOR_A_SERVICE: Condition = Some(("Bool", "kms:GrantIsForAWSResource", &["true"]));

/// Every right of everybody.
pub const RIGHTS: &[Right] = &[
    publisher(
        ITSELF,
        "ec2:DescribeImages",
        ANY,
        None,
        "finds what is published already, and waits for an image",
    ),
    publisher(ITSELF, "ec2:DescribeSnapshots", ANY, None, "finds snapshots of the image and of its base"),
    publisher(ITSELF, "ec2:DescribeImageAttribute", ANY, None, "reads who may launch an image"),
    publisher(
        ITSELF,
        "ec2:GetEbsEncryptionByDefault",
        ANY,
        None,
        "a parent and encryption exclude each other",
    ),
    publisher(
        ITSELF,
        "ec2:GetImageBlockPublicAccessState",
        ANY,
        None,
        "finds out whether an image may be public",
    ),
    publisher(ITSELF, "ssm:GetParameters", PARAMETERS, None, "finds out what parameters point to"),
    publisher(ITSELF, "ebs:StartSnapshot", SNAPSHOTS, None, "begins a snapshot"),
    publisher(ITSELF, "ebs:PutSnapshotBlock", SNAPSHOTS, None, "writes its blocks"),
    publisher(ITSELF, "ebs:CompleteSnapshot", SNAPSHOTS, None, "ends it"),
    publisher(
        "ebs:StartSnapshot",
        "ec2:CreateTags",
        IMAGES_AND_SNAPSHOTS,
        AT_CREATION,
        "the image's digest is a tag of its snapshot",
    ),
    publisher(
        "ebs:StartSnapshot",
        "kms:GenerateDataKeyWithoutPlaintext",
        KEYS,
        VIA_EC2,
        "a snapshot that is encrypted has a key of its own",
    ),
    publisher(
        "ebs:StartSnapshot",
        "kms:CreateGrant",
        KEYS,
        FOR_A_SERVICE,
        "EBS uses the key on kiln's behalf",
    ),
    publisher("ebs:StartSnapshot", "kms:DescribeKey", KEYS, VIA_EC2, "EBS looks at the key that is named"),
    publisher("ebs:PutSnapshotBlock", "kms:Decrypt", KEYS, VIA_EC2, "EBS encrypts the blocks"),
    publisher("ebs:PutSnapshotBlock", "kms:ReEncrypt*", KEYS, VIA_EC2, "EBS encrypts the blocks"),
    publisher(ITSELF, "ec2:RegisterImage", IMAGES_AND_SNAPSHOTS, None, "makes the image of the snapshot"),
    publisher(
        "ec2:RegisterImage",
        "ec2:CreateTags",
        IMAGES_AND_SNAPSHOTS,
        AT_CREATION,
        "the image's digest is a tag of it",
    ),
    publisher(ITSELF, "ec2:ModifyImageAttribute", IMAGES, OURS, "shares the image"),
    publisher(ITSELF, "ec2:EnableImageDeprecation", IMAGES, OURS, "says when it is no longer offered"),
    publisher(ITSELF, "ssm:PutParameter", PARAMETERS, None, "lets a parameter point to it"),
    publisher(
        "ssm:PutParameter",
        "ec2:DescribeImages",
        ANY,
        None,
        "Systems Manager checks a value of the type aws:ec2:image with the caller's rights",
    ),
    publisher(
        ITSELF,
        "ssm:DeleteParameter",
        PARAMETERS,
        None,
        "kiln unpublish: the parameter goes before the image",
    ),
    publisher(ITSELF, "ec2:DeregisterImage", IMAGES, OURS, "kiln unpublish"),
    publisher(
        ITSELF,
        "ec2:DeleteSnapshot",
        SNAPSHOTS,
        OURS,
        "kiln unpublish, and what a broken publish has left",
    ),
    launcher(ITSELF, "ssm:GetParameters", PARAMETERS, None, "finds the image that a parameter names"),
    launcher(ITSELF, "ec2:DescribeImages", ANY, None, "sees that the image can be launched"),
    launcher(ITSELF, "ec2:RunInstances", LAUNCHED, None, "launches instances"),
    launcher(
        "ec2:RunInstances",
        "ec2:CreateTags",
        TAGGED,
        AT_LAUNCH,
        "the cluster is a tag of its instances, their volumes and interfaces",
    ),
    launcher(
        "ec2:RunInstances",
        "iam:PassRole",
        ROLES,
        TO_EC2,
        "an instance with a profile has its role; name the roles to be stricter",
    ),
    launcher(
        ITSELF,
        "ec2:DescribeInstances",
        ANY,
        None,
        "sees whether an instance has ended, and finds those of a cluster",
    ),
    launcher(
        ITSELF,
        "ec2:GetConsoleOutput",
        INSTANCES,
        OURS_LAUNCHED,
        "what first boot says before there is a Node",
    ),
    launcher(
        ITSELF,
        "autoscaling:DescribeAutoScalingGroups",
        ANY,
        None,
        "--group: what is there, and its instances",
    ),
    launcher(ITSELF, "ec2:CreateLaunchTemplate", TEMPLATES, None, "--group: what its instances are"),
    launcher(
        ITSELF,
        "ec2:CreateLaunchTemplateVersion",
        TEMPLATES,
        None,
        "--group: what they are from now on",
    ),
    launcher(ITSELF, "autoscaling:CreateAutoScalingGroup", GROUPS, None, "--group: makes it"),
    launcher(
        "autoscaling:CreateAutoScalingGroup",
        "iam:CreateServiceLinkedRole",
        SCALING_ROLES,
        None,
        "the first group of an account makes the role of the service",
    ),
    launcher(
        "autoscaling:CreateAutoScalingGroup",
        "ec2:RunInstances",
        TEMPLATES,
        None,
        "who makes a group must be allowed to launch of its template",
    ),
    launcher(ITSELF, "autoscaling:UpdateAutoScalingGroup", GROUPS, None, "--group: gives it its size"),
    launcher(ITSELF, "autoscaling:StartInstanceRefresh", GROUPS, None, "--group: rolls what has changed"),
    launcher(ITSELF, "autoscaling:DeleteAutoScalingGroup", GROUPS, None, "kiln launch --terminate --group"),
    launcher(ITSELF, "ec2:DeleteLaunchTemplate", TEMPLATES, None, "kiln launch --terminate --group"),
    launcher(ITSELF, "ec2:TerminateInstances", INSTANCES, OURS_LAUNCHED, "kiln launch --terminate"),
    control_plane("ssm:GetParameters", CLUSTERS, "sees whether what it shares is as it should be"),
    control_plane(
        "ssm:PutParameter",
        CLUSTERS,
        "shares the cluster's CA, its operator's certificate and, for groups, a bootstrap token",
    ),
    control_plane(
        "autoscaling:DescribeAutoScalingGroups",
        ANY,
        "cloud.group: finds the instances of the group of workers",
    ),
    control_plane(
        "autoscaling:SetInstanceHealth",
        GROUPS,
        "cloud.group: has an instance replaced that is no Ready node",
    ),
    worker("ssm:GetParameters", TOKENS, "an instance of a group reads the token that it joins with"),
    node(
        "ec2:DescribeRouteTables",
        ANY,
        "routes: vpc: finds the tables of the nodes' subnets and what is in them",
    ),
    node("ec2:CreateRoute", TABLES, "routes: vpc: leads the node's block to it"),
    node(
        "ec2:ReplaceRoute",
        TABLES,
        "routes: vpc: replaces a route of the block that leads to a former holder",
    ),
    node(
        "ec2:ModifyNetworkInterfaceAttribute",
        INTERFACES,
        "routes: vpc: lets pods' packets through the interface",
    ),
    auditor(ITSELF, "ec2:DescribeImages", ANY, None, "kiln verify: finds the snapshot of an AMI"),
    auditor(ITSELF, "ebs:ListSnapshotBlocks", SNAPSHOTS, None, "kiln verify: which blocks a snapshot has"),
    auditor(ITSELF, "ebs:GetSnapshotBlock", SNAPSHOTS, None, "kiln verify: reads them"),
    auditor(
        "ebs:GetSnapshotBlock",
        "kms:Decrypt",
        KEYS,
        VIA_EC2,
        "EBS decrypts an encrypted snapshot's blocks",
    ),
    auditor(ITSELF, "ssm:GetParameters", PARAMETERS, None, "kiln nodes: of which image instances should be"),
    looking("ec2:DescribeInstances", "kiln nodes, kiln routes: the cluster's instances"),
    looking("ec2:DescribeSubnets", "kiln nodes, kiln routes: the VPC, where no instance tells it"),
    looking("ec2:DescribeRouteTables", "kiln nodes, kiln routes: where blocks are led"),
    right(
        &[Who::Janitor],
        ITSELF,
        "ec2:DeleteRoute",
        TABLES,
        None,
        "kiln routes --prune: removes routes that nobody claims",
    ),
];

/// The call is the action itself.
const ITSELF: &str = "";

const fn publisher(
    call: &'static str,
    action: &'static str,
    resources: &'static [&'static str],
    only_if: Condition,
    reason: &'static str,
) -> Right {
    right(&[Who::Publisher], call, action, resources, only_if, reason)
}

const fn launcher(
    call: &'static str,
    action: &'static str,
    resources: &'static [&'static str],
    only_if: Condition,
    reason: &'static str,
) -> Right {
    right(&[Who::Launcher], call, action, resources, only_if, reason)
}

/// What a node's machine calls itself.
const fn node(action: &'static str, resources: &'static [&'static str], reason: &'static str) -> Right {
    right(NODES, ITSELF, action, resources, None, reason)
}

/// What a control plane's machine calls itself.
const fn control_plane(
    action: &'static str,
    resources: &'static [&'static str],
    reason: &'static str,
) -> Right {
    right(&[Who::ControlPlane], ITSELF, action, resources, None, reason)
}

/// What a worker calls itself.
const fn worker(action: &'static str, resources: &'static [&'static str], reason: &'static str) -> Right {
    right(&[Who::Worker], ITSELF, action, resources, None, reason)
}

const fn auditor(
    call: &'static str,
    action: &'static str,
    resources: &'static [&'static str],
    only_if: Condition,
    reason: &'static str,
) -> Right {
    right(&[Who::Auditor], call, action, resources, only_if, reason)
}

/// What both sides of a cluster are compared by.
const fn looking(action: &'static str, reason: &'static str) -> Right {
    right(&[Who::Auditor, Who::Janitor], ITSELF, action, ANY, None, reason)
}

const fn right(
    who: &'static [Who],
    call: &'static str,
    action: &'static str,
    resources: &'static [&'static str],
    only_if: Condition,
    reason: &'static str,
) -> Right {
    let call = if call.is_empty() { action } else { call };
    Right { who, call, action, resources, only_if, reason }
}
