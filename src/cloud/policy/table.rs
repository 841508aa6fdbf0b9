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
const GROUPS: &[&str] = &[
    "arn:{partition}:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/kiln-{cluster}-worker",
    // That of image/aws/cluster.yaml.
    "arn:{partition}:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/kiln-{cluster}-workers",
];
const SPOT_ROLES: &[&str] = &["arn:{partition}:iam::*:role/aws-service-role/spot.amazonaws.com/*"];
const SCALING_ROLES: &[&str] = &["arn:{partition}:iam::*:role/aws-service-role/autoscaling.amazonaws.com/*"];
/// What a control plane shares.
const SHARED: &[&str] = &["arn:{partition}:ssm:*:*:parameter{parameters}/clusters/{cluster}/*"];
const TOKENS: &[&str] = &["arn:{partition}:ssm:*:*:parameter{parameters}/clusters/{cluster}/token"];
const TABLES: &[&str] = &["arn:{partition}:ec2:*:*:route-table/*"];
const INTERFACES: &[&str] = &["arn:{partition}:ec2:*:*:network-interface/*"];
const KEYS: &[&str] = &["arn:{partition}:kms:*:*:key/*"];
const VOLUMES: &[&str] = &["arn:{partition}:ec2:*:*:volume/*"];
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

/// All of them have to hold: operator, key and values.
type Conditions = &'static [(&'static str, &'static str, &'static [&'static str])];

/// What kiln has made bears the digest of its image as a tag.
const OURS: Conditions = &[("Null", "aws:ResourceTag/kiln:image", &["false"])];
/// Tags are given with the creation and never later.
const AT_CREATION: Conditions = &[("StringEquals", "ec2:CreateAction", &["RegisterImage", "StartSnapshot"])];
/// Keys are used through the service that stores the snapshot, and by nothing else.
const VIA_EC2: Conditions = &[("StringLike", "kms:ViaService", &["ec2.*.{suffix}"])];
const OF_CLUSTER: (&str, &str, &[&str]) = ("StringLike", "aws:ResourceTag/kiln:cluster", &["{cluster}"]);
const OF_VPC: (&str, &str, &[&str]) = ("ArnLike", "ec2:Vpc", &["arn:{partition}:ec2:*:*:vpc/{vpc}"]);
/// What kiln has launched bears its cluster as a tag.
const OURS_LAUNCHED: Conditions = &[OF_CLUSTER];
/// EC2 knows no condition of a route's destination or target.
const IN_VPC: Conditions = &[OF_VPC];
/// One attribute goes with a call ("Attributes in policies", EC2 User Guide): neither security groups nor what else an interface has.
const CHECK_OF_OURS: Conditions =
    &[OF_CLUSTER, OF_VPC, ("Null", "ec2:Attribute/SourceDestCheck", &["false"])];
const AT_LAUNCH: Conditions = &[("StringEquals", "ec2:CreateAction", &["RunInstances"])];
const TO_EC2: Conditions = &[("StringLike", "iam:PassedToService", &["ec2.amazonaws.com*"])];
const FOR_A_SERVICE: Conditions = &[("Bool", "kms:GrantIsForAWSResource", &["true"])];

/// Rights by who has them.
pub const TABLE: &[(&[Who], &[Right])] = &[
    (&[Who::Publisher], PUBLISHER),
    (&[Who::Launcher], LAUNCHER),
    (&[Who::ControlPlane], CONTROL_PLANE),
    (&[Who::Worker], WORKER),
    (&[Who::ControlPlane, Who::Worker], NODE),
    (&[Who::Auditor], AUDITOR),
    (&[Who::Auditor, Who::Janitor], LOOKING),
    (&[Who::Janitor], JANITOR),
];

/// `kiln publish`, `kiln unpublish`.
const PUBLISHER: &[Right] = &[
    right("ec2:DescribeImages", ANY, "finds what is published already, and waits for an image"),
    right("ec2:DescribeSnapshots", ANY, "finds snapshots of the image and of its base"),
    right("ec2:DescribeImageAttribute", ANY, "reads who may launch an image"),
    right("ec2:GetEbsEncryptionByDefault", ANY, "a parent and encryption exclude each other"),
    right("ec2:GetImageBlockPublicAccessState", ANY, "finds out whether an image may be public"),
    right("ssm:GetParameters", PARAMETERS, "finds out what parameters point to"),
    right("ebs:StartSnapshot", SNAPSHOTS, "begins a snapshot"),
    right("ebs:PutSnapshotBlock", SNAPSHOTS, "writes its blocks"),
    right("ebs:CompleteSnapshot", SNAPSHOTS, "ends it"),
    right("ec2:CreateTags", IMAGES_AND_SNAPSHOTS, "the image's digest is a tag of its snapshot")
        .needed_by("ebs:StartSnapshot")
        .only_if(AT_CREATION),
    right("kms:GenerateDataKeyWithoutPlaintext", KEYS, "a snapshot that is encrypted has a key of its own")
        .needed_by("ebs:StartSnapshot")
        .only_if(VIA_EC2),
    right("kms:CreateGrant", KEYS, "EBS uses the key on kiln's behalf")
        .needed_by("ebs:StartSnapshot")
        .only_if(FOR_A_SERVICE),
    right("kms:DescribeKey", KEYS, "EBS looks at the key that is named")
        .needed_by("ebs:StartSnapshot")
        .only_if(VIA_EC2),
    right("kms:Decrypt", KEYS, "EBS encrypts the blocks").needed_by("ebs:PutSnapshotBlock").only_if(VIA_EC2),
    right("kms:ReEncrypt*", KEYS, "EBS encrypts the blocks")
        .needed_by("ebs:PutSnapshotBlock")
        .only_if(VIA_EC2),
    right("ec2:RegisterImage", IMAGES_AND_SNAPSHOTS, "makes the image of the snapshot"),
    right("ec2:CreateTags", IMAGES_AND_SNAPSHOTS, "the image's digest is a tag of it")
        .needed_by("ec2:RegisterImage")
        .only_if(AT_CREATION),
    right("ec2:ModifyImageAttribute", IMAGES, "shares the image").only_if(OURS),
    right("ec2:EnableImageDeprecation", IMAGES, "says when it is no longer offered").only_if(OURS),
    right("ssm:PutParameter", PARAMETERS, "lets a parameter point to it"),
    right(
        "ec2:DescribeImages",
        ANY,
        "Systems Manager checks a value of the type aws:ec2:image with the caller's rights",
    )
    .needed_by("ssm:PutParameter"),
    right("ssm:DeleteParameter", PARAMETERS, "kiln unpublish: the parameter goes before the image"),
    right("ec2:DeregisterImage", IMAGES, "kiln unpublish").only_if(OURS),
    right("ec2:DeleteSnapshot", SNAPSHOTS, "kiln unpublish, and what a broken publish has left")
        .only_if(OURS),
];

/// `kiln launch`.
const LAUNCHER: &[Right] = &[
    right("ssm:GetParameters", PARAMETERS, "finds the image that a parameter names"),
    right("ec2:DescribeImages", ANY, "sees that the image can be launched"),
    right("ec2:DescribeSubnets", ANY, "sees that subnets are there, and the control plane's address in one"),
    right("ec2:DescribeInstanceTypes", ANY, "sees that the image can run on the type"),
    right("ec2:RunInstances", LAUNCHED, "launches instances"),
    right("ec2:CreateTags", TAGGED, "the cluster is a tag of its instances, their volumes and interfaces")
        .needed_by("ec2:RunInstances")
        .only_if(AT_LAUNCH),
    right("iam:PassRole", ROLES, "an instance with a profile has its role; name the roles to be stricter")
        .needed_by("ec2:RunInstances")
        .only_if(TO_EC2),
    right("ec2:DescribeInstances", ANY, "sees whether an instance has ended, and finds those of a cluster"),
    right("ec2:AttachVolume", INSTANCES, "gives a control plane the data volume that its settings name")
        .only_if(OURS_LAUNCHED),
    // Somebody else's volume, perhaps without a tag; name it to be stricter.
    right("ec2:AttachVolume", VOLUMES, "gives a control plane the data volume that its settings name"),
    right(
        "iam:CreateServiceLinkedRole",
        SPOT_ROLES,
        "the first spot instance of an account makes the role of the service",
    )
    .needed_by("ec2:RunInstances"),
    right("ec2:GetConsoleOutput", INSTANCES, "what first boot says before there is a Node")
        .only_if(OURS_LAUNCHED),
    right("autoscaling:DescribeAutoScalingGroups", ANY, "--group: what is there, and its instances"),
    right("ec2:CreateLaunchTemplate", TEMPLATES, "--group: what its instances are"),
    right("ec2:CreateLaunchTemplateVersion", TEMPLATES, "--group: what they are from now on"),
    right("autoscaling:CreateAutoScalingGroup", GROUPS, "--group: makes it"),
    right(
        "iam:CreateServiceLinkedRole",
        SCALING_ROLES,
        "the first group of an account makes the role of the service",
    )
    .needed_by("autoscaling:CreateAutoScalingGroup"),
    right("ec2:RunInstances", TEMPLATES, "who makes a group must be allowed to launch of its template")
        .needed_by("autoscaling:CreateAutoScalingGroup"),
    right("autoscaling:UpdateAutoScalingGroup", GROUPS, "--group: gives it its size"),
    right("autoscaling:StartInstanceRefresh", GROUPS, "--group: rolls what has changed"),
    right("autoscaling:DeleteAutoScalingGroup", GROUPS, "kiln launch --terminate --group"),
    right("ec2:DeleteLaunchTemplate", TEMPLATES, "kiln launch --terminate --group"),
    right("ec2:TerminateInstances", INSTANCES, "kiln launch --terminate").only_if(OURS_LAUNCHED),
    right(
        "ssm:DeleteParameter",
        SHARED,
        "what a control plane has shared goes with it, and before another one is launched",
    ),
];

/// A control plane's machine.
const CONTROL_PLANE: &[Right] = &[
    right("ssm:GetParameters", SHARED, "sees whether what it shares is as it should be"),
    right(
        "ssm:PutParameter",
        SHARED,
        "shares the cluster's CA, its operator's certificate and, for groups, a bootstrap token",
    ),
    right(
        "autoscaling:DescribeAutoScalingGroups",
        ANY,
        "cloud.group: finds the instances of the group of workers",
    ),
    right(
        "autoscaling:SetInstanceHealth",
        GROUPS,
        "cloud.group: has an instance replaced that is no Ready node",
    ),
    right(
        "ec2:DescribeInstances",
        ANY,
        "cloud-controller-manager: sees whether the machine of a Node that is not Ready is gone",
    ),
];

/// A worker's machine.
const WORKER: &[Right] =
    &[right("ssm:GetParameters", TOKENS, "an instance of a group reads the token that it joins with")];

/// The machines of a cluster, whatever their role.
const NODE: &[Right] = &[
    right(
        "ec2:DescribeRouteTables",
        ANY,
        "routes: vpc: finds the tables of the nodes' subnets and what is in them",
    ),
    right("ec2:CreateRoute", TABLES, "routes: vpc: leads the node's block to it").only_if(IN_VPC),
    right(
        "ec2:ReplaceRoute",
        TABLES,
        "routes: vpc: replaces a route of the block that leads to a former holder",
    )
    .only_if(IN_VPC),
    right(
        "ec2:ModifyNetworkInterfaceAttribute",
        INTERFACES,
        "routes: vpc: lets pods' packets through the interface",
    )
    .only_if(CHECK_OF_OURS),
];

/// `kiln verify ami-...`, `kiln nodes`, `kiln routes`.
const AUDITOR: &[Right] = &[
    right("ec2:DescribeImages", ANY, "kiln verify: finds the snapshot of an AMI"),
    right("ebs:ListSnapshotBlocks", SNAPSHOTS, "kiln verify: which blocks a snapshot has"),
    right("ebs:GetSnapshotBlock", SNAPSHOTS, "kiln verify: reads them"),
    right("kms:Decrypt", KEYS, "EBS decrypts an encrypted snapshot's blocks")
        .needed_by("ebs:GetSnapshotBlock")
        .only_if(VIA_EC2),
    right("ssm:GetParameters", PARAMETERS, "kiln nodes: of which image instances should be"),
];

/// What both sides of a cluster are compared by.
const LOOKING: &[Right] = &[
    right("ec2:DescribeInstances", ANY, "kiln nodes, kiln routes: the cluster's instances"),
    right("ec2:DescribeSubnets", ANY, "kiln nodes, kiln routes: the VPC, where no instance tells it"),
    right("ec2:DescribeRouteTables", ANY, "kiln nodes, kiln routes: where blocks are led"),
];

/// `kiln routes --prune`.
const JANITOR: &[Right] =
    &[right("ec2:DeleteRoute", TABLES, "kiln routes --prune: removes routes that nobody claims")
        .only_if(IN_VPC)];

/// Returns the right to call `action` on `resources`.
const fn right(action: &'static str, resources: &'static [&'static str], reason: &'static str) -> Right {
    Right { call: action, action, resources, only_if: &[], reason }
}

impl Right {
    /// It is no call of kiln's own: another call needs it.
    const fn needed_by(mut self, call: &'static str) -> Self {
        self.call = call;
        self
    }

    const fn only_if(mut self, conditions: Conditions) -> Self {
        self.only_if = conditions;
        self
    }
}
