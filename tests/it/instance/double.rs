// SPDX-License-Identifier: Apache-2.0
//! A strict double of one VPC: the metadata service of each instance, and the calls of EC2 that a node makes. It refuses
//! what EC2 refuses, with EC2's codes ("Error codes for the Amazon EC2 API"; API reference of each action), and fails where
//! it is told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use kiln::settings::Role;

use super::metadata::{self, Instance};
use super::signature::{self, Keys};
use super::tls::tls;
use crate::aws::http::{Reply, Request, Server};

pub const REGION: &str = "eu-central-1";
pub const VPC: &str = "vpc-0a1b2c3d4e5f60718";

const OF_WORKERS: Keys = Keys { id: "ASIAWORKER", secret: "double/worker", token: "double-session" };
const OF_PLANES: Keys = Keys { id: "ASIAPLANE", secret: "double/plane", token: "double-session-of-a-plane" };

/// Returns the credentials of the role that machines of `role` have.
pub fn keys(role: Role) -> &'static Keys {
    match role {
        Role::Worker => &OF_WORKERS,
        Role::ControlPlane => &OF_PLANES,
    }
}

/// A route table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub is_main: bool,
    pub subnets: Vec<String>,
    /// Targets by destination.
    pub routes: BTreeMap<String, String>,
}

/// How calls fail.
#[derive(Debug, Clone)]
pub enum Fault {
    /// With this status, code and message, before anything is done.
    Code(u16, &'static str, &'static str),
    /// Done, and then the connection ends.
    CutAfter,
}

#[derive(Debug, Default)]
pub struct State {
    pub tables: BTreeMap<String, Table>,
    pub instances: BTreeMap<String, Instance>,
    /// Interfaces whose source/destination check is off.
    pub unchecked: Vec<String>,
    /// Faults of the next calls, by action.
    pub faults: BTreeMap<String, VecDeque<Fault>>,
    /// Faults of every call, by action.
    pub always: BTreeMap<String, Fault>,
    /// Actions in the order in which they came, the throttled ones too.
    pub calls: Vec<String>,
    /// Who has called what, as policies name it: `worker ec2:CreateRoute`.
    pub by_role: BTreeSet<String>,
    /// Routes per table and family.
    pub quota: usize,
    /// Writes that are left until calls are throttled; each throttled call adds one.
    pub bucket: Option<u64>,
    /// How many descriptions still show the tables as they are now.
    pub stale: Option<(u32, BTreeMap<String, Table>)>,
    /// Parameters of Systems Manager.
    pub parameters: BTreeMap<String, super::parameters::Parameter>,
    /// The group of workers.
    pub group: super::scaling::Group,
    /// What nobody should have asked.
    pub wrong: Vec<String>,
}

/// The double.
pub struct Double {
    pub state: Arc<Mutex<State>>,
    /// The CA of EC2's endpoint.
    pub ca: String,
    /// EC2's endpoint.
    pub endpoint: String,
    servers: Mutex<Vec<Server>>,
}

impl Double {
    /// Starts EC2 on localhost, with a main table and nothing else.
    pub fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Starts EC2 on a listener, which may be in another network.
    pub fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (tls, ca) = tls(&["localhost", &address.ip().to_string()]);
        let state = State { quota: 50, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let handler = move |request| answer(&mut shared.lock().unwrap(), &request);
        let servers = Mutex::new(vec![Server::on(listener, Some(tls), handler)]);
        let double = Self { state, ca, endpoint: format!("https://{address}"), servers };
        double.table("rtb-main", true, &[]);
        double
    }

    pub fn table(&self, id: &str, is_main: bool, subnets: &[&str]) {
        let subnets = subnets.iter().map(|subnet| (*subnet).to_owned()).collect();
        let routes = [("10.0.0.0/16".to_owned(), "local".to_owned())].into();
        self.state.lock().unwrap().tables.insert(id.to_owned(), Table { is_main, subnets, routes });
    }

    /// Leads blocks where no machine is any more, as dead ones have left them.
    pub fn led_nowhere(&self, table: &str, blocks: &[ipnet::IpNet]) {
        let mut state = self.state.lock().unwrap();
        let routes = &mut state.tables.get_mut(table).unwrap().routes;
        routes.extend(blocks.iter().map(|block| (block.to_string(), "eni-dead".to_owned())));
    }

    /// Makes an instance, and returns where its metadata service is.
    pub fn instance(&self, id: &str, subnet: &str) -> String {
        self.instance_on(TcpListener::bind("127.0.0.1:0").unwrap(), id, subnet)
    }

    /// Gives an instance the role of a control plane.
    pub fn is_plane(&self, id: &str) {
        self.state.lock().unwrap().instances.get_mut(id).unwrap().role = Role::ControlPlane;
    }

    /// The same on a listener.
    pub fn instance_on(&self, listener: TcpListener, id: &str, subnet: &str) -> String {
        let address = listener.local_addr().unwrap();
        self.state.lock().unwrap().instances.insert(id.to_owned(), Instance::new(id, subnet));
        let (shared, id) = (self.state.clone(), id.to_owned());
        let handler = move |request| metadata::answer(&mut shared.lock().unwrap(), &id, &request);
        self.servers.lock().unwrap().push(Server::on(listener, None, handler));
        format!("http://{address}")
    }

    /// Serves the metadata of all instances that have an address on one listener, as their network does.
    pub fn metadata_on(&self, listener: TcpListener) {
        let shared = self.state.clone();
        let handler = move |request: Request| {
            let mut state = shared.lock().unwrap();
            let asking = state.instances.values().find(|it| it.address == Some(request.peer));
            let Some(id) = asking.map(|it| it.id.clone()) else {
                state.wrong.push(format!("{} is no instance and asks for its metadata", request.peer));
                return Reply::plain(404, String::new());
            };
            metadata::answer(&mut state, &id, &request)
        };
        self.servers.lock().unwrap().push(Server::on(listener, None, handler));
    }

    /// What leads where, as `TABLE DESTINATION TARGET`, local routes apart.
    pub fn routes(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let lines = state.tables.iter().flat_map(|(id, table)| {
            let routes = table.routes.iter().filter(|(_, target)| *target != "local");
            routes.map(move |(destination, target)| format!("{id} {destination} {target}"))
        });
        lines.collect()
    }

    pub fn fail(&self, action: &str, fault: Fault) {
        self.state.lock().unwrap().faults.entry(action.to_owned()).or_default().push_back(fault);
    }

    /// Returns the calls since the last time.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().calls)
    }

    /// Nothing was asked that EC2 or the metadata service would not have understood.
    pub fn is_content(&self) {
        let wrong = self.state.lock().unwrap().wrong.clone();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>0</RequestID></Response>"
    );
    Reply::plain(status, body)
}

fn answer(state: &mut State, request: &Request) -> Reply {
    let (service, action) = called(request);
    let by = if request.header("authorization").contains(OF_PLANES.id) {
        Role::ControlPlane
    } else {
        Role::Worker
    };
    if let Some(fault) = signature::fault(request, keys(by), REGION, service) {
        state.wrong.push(fault.clone());
        return error(403, "SignatureDoesNotMatch", &fault);
    }
    let name = format!("{service}:{action}");
    if !is_allowed(by, &name) {
        state.wrong.push(format!("{name} is not in kiln policy {}", word(by)));
    }
    state.by_role.insert(format!("{} {name}", word(by)));
    state.calls.push(action);
    match service {
        "ssm" => super::parameters::answer(state, request),
        "autoscaling" => super::scaling::answer(state, request),
        _ => of_ec2(state, request),
    }
}

/// Returns the service and the action that a request names.
fn called(request: &Request) -> (&'static str, String) {
    if let Some(action) = request.header("x-amz-target").strip_prefix("AmazonSSM.") {
        return ("ssm", action.to_owned());
    }
    let mut form = url::form_urlencoded::parse(&request.body);
    let action = form.find(|(key, _)| key == "Action").map(|(_, value)| value.into_owned());
    let is_scaling = request.header("authorization").contains("/autoscaling/aws4_request");
    (if is_scaling { "autoscaling" } else { "ec2" }, action.unwrap_or_default())
}

pub fn word(role: Role) -> &'static str {
    match role {
        Role::Worker => "worker",
        Role::ControlPlane => "control-plane",
    }
}

/// As IAM, had the role the policy that `kiln policy` prints for it.
#[cfg(feature = "aws")]
fn is_allowed(role: Role, action: &str) -> bool {
    let (_, who) = kiln::cloud::policy::Who::ALL.into_iter().find(|(name, _)| *name == word(role)).unwrap();
    kiln::cloud::policy::rights(who).any(|right| right.action == action)
}

/// The table of rights belongs to the feature.
#[cfg(not(feature = "aws"))]
fn is_allowed(_: Role, _: &str) -> bool {
    true
}

fn of_ec2(state: &mut State, request: &Request) -> Reply {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let action = form.get("Action").cloned().unwrap_or_default();
    let fault = state.faults.get_mut(&action).and_then(VecDeque::pop_front);
    let fault = fault.or_else(|| state.always.get(&action).cloned());
    if let Some(Fault::Code(status, code, message)) = fault {
        return error(status, code, message);
    }
    if !action.starts_with("Describe")
        && let Some(bucket) = &mut state.bucket
    {
        // Who asks again soon finds no more than who waits: the bucket is filled by asking.
        if *bucket == 0 {
            *bucket = 1;
            return error(503, "RequestLimitExceeded", "Request limit exceeded.");
        }
        *bucket -= 1;
    }
    let done = carry_out(state, &action, form);
    if matches!(fault, Some(Fault::CutAfter)) { Reply::cut() } else { done }
}

fn carry_out(state: &mut State, action: &str, mut form: BTreeMap<String, String>) -> Reply {
    let mut take = |name: &str| form.remove(name).unwrap_or_default();
    take("Action");
    assert_eq!(take("Version"), "2016-11-15");
    let reply = match action {
        "DescribeRouteTables" => {
            let filter = [take("Filter.1.Name"), take("Filter.1.Value.1")];
            assert_eq!(filter, ["vpc-id", VPC]);
            describe(state, &take("MaxResults"), &take("NextToken"))
        }
        "DescribeInstances" => {
            let ids: Vec<String> =
                (1..).map(|n| take(&format!("InstanceId.{n}"))).take_while(|id| !id.is_empty()).collect();
            describe_instances(state, &ids)
        }
        "CreateRoute" | "ReplaceRoute" => {
            let to = [take("DestinationCidrBlock"), take("DestinationIpv6CidrBlock")];
            let [table, interface] = [take("RouteTableId"), take("NetworkInterfaceId")];
            write(state, action == "CreateRoute", &table, &to, &interface)
        }
        "ModifyNetworkInterfaceAttribute" => {
            assert_eq!(take("SourceDestCheck.Value"), "false");
            let interface = take("NetworkInterfaceId");
            state.unchecked.push(interface);
            Reply::ok(
                "<ModifyNetworkInterfaceAttributeResponse><return>true</return></ModifyNetworkInterfaceAttributeResponse>",
            )
        }
        other => error(400, "InvalidAction", other),
    };
    if let Some(name) = form.keys().next() {
        state.wrong.push(format!("{action} has a parameter {name}"));
        return error(400, "UnknownParameter", name);
    }
    reply
}

/// Two tables a page, whatever is asked for: that is allowed, and a client that stops at the first page sees too little.
fn describe(state: &mut State, most: &str, token: &str) -> Reply {
    let most: u32 = most.parse().unwrap();
    assert!((5..=100).contains(&most), "MaxResults {most}");
    let first: usize = token.strip_prefix("page-").map_or(0, |at| at.parse().unwrap());
    let tables = match &mut state.stale {
        Some((left, tables)) if *left > 0 => {
            *left -= 1;
            tables.clone()
        }
        _ => state.tables.clone(),
    };
    let items: String = tables.iter().skip(first).take(2).map(|(id, table)| item(id, table)).collect();
    let next = if first + 2 < tables.len() {
        format!("<nextToken>page-{}</nextToken>", first + 2)
    } else {
        String::new()
    };
    Reply::ok(format!(
        "<DescribeRouteTablesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>0</requestId><routeTableSet>{items}</routeTableSet>{next}</DescribeRouteTablesResponse>"
    ))
}

/// Instances of these ids, each of a reservation of its own; those that are not known are an error.
fn describe_instances(state: &State, ids: &[String]) -> Reply {
    if let Some(id) = ids.iter().find(|id| !state.instances.contains_key(*id)) {
        let message = format!("The instance ID '{id}' does not exist");
        return error(400, "InvalidInstanceID.NotFound", &message);
    }
    let code = |state: &str| if state == "terminated" { 48 } else { 16 };
    let item = |id: &String| {
        let Instance { subnet, state, .. } = &state.instances[id];
        format!(
            "<item><reservationId>r-{id}</reservationId><instancesSet><item><instanceId>{id}</instanceId>\
             <instanceState><code>{}</code><name>{state}</name></instanceState><privateDnsName>{id}.internal</privateDnsName>\
             <subnetId>{subnet}</subnetId><vpcId>{VPC}</vpcId></item></instancesSet></item>",
            code(state)
        )
    };
    Reply::ok(format!(
        "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>0</requestId>\
         <reservationSet>{}</reservationSet></DescribeInstancesResponse>",
        ids.iter().map(item).collect::<String>()
    ))
}

fn item(id: &str, table: &Table) -> String {
    let routes: String = table.routes.iter().map(|(to, target)| route(to, target)).collect();
    let main = if table.is_main { "<item><main>true</main></item>" } else { "" };
    let subnets = table
        .subnets
        .iter()
        .map(|subnet| format!("<item><main>false</main><subnetId>{subnet}</subnetId></item>"));
    let subnets: String = subnets.collect();
    format!(
        "<item><routeTableId>{id}</routeTableId><vpcId>{VPC}</vpcId><routeSet>{routes}</routeSet><associationSet>{main}{subnets}</associationSet><tagSet/></item>"
    )
}

fn route(to: &str, target: &str) -> String {
    let destination = if to.contains(':') { "destinationIpv6CidrBlock" } else { "destinationCidrBlock" };
    let (name, state) = match target {
        "local" => ("gatewayId", "active"),
        target if target.starts_with("eni-dead") => ("networkInterfaceId", "blackhole"),
        _ => ("networkInterfaceId", "active"),
    };
    format!(
        "<item><{destination}>{to}</{destination}><{name}>{target}</{name}><state>{state}</state><origin>CreateRoute</origin></item>"
    )
}

fn write(state: &mut State, is_new: bool, table: &str, to: &[String; 2], interface: &str) -> Reply {
    let [to] = to.iter().filter(|to| !to.is_empty()).collect::<Vec<_>>()[..] else {
        return error(400, "InvalidParameterCombination", "one destination");
    };
    if to.parse::<ipnet::IpNet>().is_ok_and(|range| range.trunc() != range) {
        return error(400, "InvalidParameterValue", "host bits");
    }
    if !state.instances.values().any(|instance| instance.interface == interface) {
        return error(400, "InvalidNetworkInterfaceID.NotFound", interface);
    }
    let quota = state.quota;
    let Some(found) = state.tables.get_mut(table) else {
        return error(400, "InvalidRouteTableID.NotFound", table);
    };
    match (is_new, found.routes.contains_key(to)) {
        (true, true) => {
            return error(
                400,
                "RouteAlreadyExists",
                &format!("The route identified by {to} already exists."),
            );
        }
        (false, false) => {
            let message =
                format!("There is no route defined for '{to}' in the route table. Use CreateRoute instead.");
            return error(400, "InvalidParameterValue", &message);
        }
        (true, false) if found.routes.len() >= quota => {
            let message = format!("The maximum number of routes ({quota}) has been reached.");
            return error(400, "RouteLimitExceeded", &message);
        }
        _ => {}
    }
    found.routes.insert(to.clone(), interface.to_owned());
    Reply::ok("<WriteRouteResponse><return>true</return></WriteRouteResponse>")
}
