use super::*;

const FILE: &str = r#"
database = "sqlite:///from/file.db"
listen = "127.0.0.1:1"
idle_timeout = "1m 30s"
migrate = false

[activities]
allow_hosts = ["file.example"]

[activities.environment]
ONE = "file"
TWO = "file"
THREE = "file"

[activities.secrets]
KEY = { value = "file", hosts = ["file.example"] }

[limits]
payload_bytes_max = 7
"#;

fn parsed(text: &str) -> FileConfig {
    FileConfig::parse(text).expect("valid")
}

fn refused(text: &str) -> String {
    FileConfig::parse(text).expect_err("invalid").to_string()
}

fn of_guests(guests: GuestFlags) -> ServerFlags {
    ServerFlags { guests, ..ServerFlags::default() }
}

fn binding(binding: &str) -> ServerFlags {
    of_guests(GuestFlags {
        bind_secret: vec![binding.parse().expect("valid")],
        ..GuestFlags::default()
    })
}

#[test]
fn a_secret_needs_a_value_and_a_host() {
    let merged = |flags, file: &str, environment: &[(&str, &str)]| {
        ServerConfig::merge(flags, variables(environment), parsed(file))
    };
    let value = [("DACAPO_SECRET_KEY", "s3cr3t")];
    let error = merged(ServerFlags::default(), "", &value).expect_err("for no host").to_string();
    assert!(error.contains("--bind-secret KEY=HOST") && !error.contains("s3cr3t"), "{error}");
    let error = merged(binding("KEY=h"), "", &[]).expect_err("no value").to_string();
    assert!(error.contains("DACAPO_SECRET_KEY"), "{error}");
    let alone = "[activities.secrets]\nKEY = \"s3cr3t\"\n";
    assert!(merged(ServerFlags::default(), alone, &[]).is_err());
    assert!(merged(binding("KEY=h"), alone, &[]).is_ok());
    let table = "[activities.secrets.KEY]\nhosts = [\"h\"]\nheaders = [\"x-api-key\"]\n";
    let config = merged(binding("KEY=other"), table, &value).expect("both say hosts");
    assert_eq!(config.secrets["KEY"].hosts, ["h", "other"]);
    assert_eq!(config.secrets["KEY"].headers, ["x-api-key"]);
}

#[test]
fn a_namespace_has_secrets_of_its_own() {
    let merged = |file: &str| ServerConfig::merge(ServerFlags::default(), [], parsed(file));
    let file = "[namespaces.shop.secrets.KEY]\nvalue = \"s3cr3t\"\nhosts = [\"h\"]\n";
    let config = merged(file).expect("valid");
    let shop = "shop".parse().expect("valid");
    assert_eq!(config.namespace_secrets[&shop]["KEY"].hosts, ["h"]);
    assert!(config.secrets.is_empty(), "no other namespace has it");
    assert!(!format!("{config:?}").contains("s3cr3t"));
    let error = merged("[namespaces.shop.secrets]\nKEY = \"s3cr3t\"\n").expect_err("for no host");
    let message = error.to_string();
    assert!(message.contains("[namespaces.shop.secrets.KEY]"), "{message}");
    assert!(!message.contains("s3cr3t"), "{message}");
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_file_fills_in_what_no_flag_says() {
    let flags = ServerFlags { listen: "127.0.0.1:2".parse().ok(), ..ServerFlags::default() };
    let config = ServerConfig::merge(flags, [], parsed(FILE)).expect("valid");
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.database, Some(Database::Sqlite("/from/file.db".into())));
    assert_eq!(config.service.idle_timeout, Duration::from_secs(90));
    assert_eq!(config.service.limits.payload_bytes_max, 7);
    assert_eq!(config.service.limits.module_bytes_max, Limits::default().module_bytes_max);
    assert_eq!(config.allowed_hosts, ["file.example"]);
    assert!(!config.migrate);
}

#[test]
fn without_any_layer_the_defaults_hold() {
    let config = ServerConfig::merge(ServerFlags::default(), [], FileConfig::default());
    let config = config.expect("valid");
    assert_eq!(config.listen.to_string(), DEFAULT_LISTEN);
    assert_eq!(config.database, None);
    let instances_bytes_max = config.memory.instance_bytes;
    let open_runs_max = config.memory.open_runs_max;
    let defaults = ServiceConfig { instances_bytes_max, open_runs_max, ..ServiceConfig::default() };
    assert_eq!(config.service, defaults);
    assert!(config.migrate);
    assert!(config.allowed_hosts.is_empty());
    assert!(config.activities_bytes_max >= Limits::default().instance_memory_bytes_max);
}

#[test]
fn maps_are_merged_name_by_name() {
    let flags = of_guests(GuestFlags {
        activity_env: vec!["ONE=flag=1".parse().expect("valid")],
        ..GuestFlags::default()
    });
    let variables = variables(&[
        ("DACAPO_ACTIVITY_ENV_ONE", "variable"),
        ("DACAPO_ACTIVITY_ENV_TWO", "variable"),
        ("DACAPO_SECRET_KEY", "variable"),
        ("UNRELATED", "variable"),
    ]);
    let config = ServerConfig::merge(flags, variables, parsed(FILE)).expect("valid");
    let environment: Vec<_> = config.activity_environment.values().map(String::as_str).collect();
    assert_eq!(environment, ["flag=1", "file", "variable"], "ONE, THREE, TWO");
    assert_eq!(config.secrets["KEY"].value, "variable");
    assert_eq!(config.secrets["KEY"].hosts, ["file.example"]);
    assert_eq!(config.secrets["KEY"].headers, ["authorization"]);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let message = refused("migrate = true\nlisen = \"127.0.0.1:1\"\n");
    assert!(message.starts_with("line 2: unknown field `lisen`"), "{message}");
    let message = refused("[limits]\n\npayload_max = 1\n");
    assert!(message.starts_with("line 3: unknown field `payload_max`"), "{message}");
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    let message = refused("idle_timeout = \"soon\"\n");
    assert!(message.starts_with("line 1: "), "{message}");
    assert!(message.contains("10s"), "{message}");
}

#[test]
fn an_error_next_to_a_secret_does_not_show_it() {
    let message = refused("[activities.secrets]\nKEY = \"s3cr3t\" \"x\"\n");
    assert!(!message.contains("s3cr3t"), "{message}");
    let message = refused("[activities.secrets.KEY]\nvalue = \"s3cr3t\"\nhost = \"h\"\n");
    assert!(message.contains("`host`") && !message.contains("s3cr3t"), "{message}");
    let config = ServerConfig::merge(
        binding("KEY=h"),
        variables(&[("DACAPO_SECRET_KEY", "s3cr3t")]),
        FileConfig::default(),
    );
    let shown = format!("{:?}", config.expect("valid"));
    assert!(shown.contains("KEY") && !shown.contains("s3cr3t"), "{shown}");
}

#[test]
fn a_limit_of_zero_is_a_mistake() {
    let error = ServerConfig::merge(
        ServerFlags::default(),
        [],
        parsed("[limits]\nhistory_events_max = 0\n"),
    );
    assert!(error.expect_err("refused").to_string().contains("limits.history_events_max"));
}

#[test]
fn a_name_is_a_secret_or_a_variable_but_not_both() {
    let both = variables(&[("DACAPO_SECRET_KEY", "1"), ("DACAPO_ACTIVITY_ENV_KEY", "2")]);
    let error = ServerConfig::merge(binding("KEY=h"), both, FileConfig::default());
    assert!(error.expect_err("refused").to_string().contains("KEY"));
}

#[test]
fn the_parts_of_the_memory_follow_from_its_limit_unless_they_are_set() {
    let flags = |memory: &str| {
        of_guests(GuestFlags { memory_limit: memory.parse().ok(), ..GuestFlags::default() })
    };
    let config = ServerConfig::merge(flags("1GiB"), [], parsed("memory_limit = \"2GiB\""));
    let config = config.expect("valid");
    assert_eq!(config.memory.request_bytes, 128 * 1024 * 1024);
    assert_eq!(config.connections.connections_max, 910);
    assert_eq!(config.connections.per_address_max, 455);

    let file = "connections_max = 100\nconnections_per_address_max = 10";
    let config = ServerConfig::merge(flags("1GiB"), [], parsed(file)).expect("valid");
    let edge = config.edge(50);
    assert_eq!(edge.connections, ConnectionLimits { connections_max: 50, per_address_max: 10 });

    let refused = ServerConfig::merge(flags("1MiB"), [], FileConfig::default());
    assert!(refused.expect_err("too little").to_string().contains("memory_limit"));
    assert!(ServerConfig::merge(flags("1GiB"), [], parsed("connections_max = 0")).is_err());
}

#[test]
fn the_sample_file_is_valid_and_holds_the_defaults() {
    let sample = include_str!("../../../../examples/dacapo.toml");
    let config = ServerConfig::merge(ServerFlags::default(), [], parsed(sample)).expect("valid");
    assert_eq!(config.service, ServiceConfig::default());
    assert_eq!(config.instances_max, DEFAULT_INSTANCES_MAX);
    assert_eq!(config.otlp.trace_sample_ratio, SampleRatio::default());
    assert_eq!(config.listen.to_string(), DEFAULT_LISTEN);
    assert!(config.migrate);
}
