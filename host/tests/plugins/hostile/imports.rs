//! The guest `hostile`: what a plugin can do with the imports that every plugin has.

use super::{Attack, Section, run_apart};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_imports_gives_it_nothing_that_is_not_granted() {
    run_apart(Section::Imports, "hostile", all()).await;
}

fn attack(name: &str, does: &'static str, stopped_by: &'static str) -> Attack {
    Attack::of_file("hostile", does, stopped_by).with(&format!("config.attack = \"{name}\""))
}

fn all() -> Vec<Attack> {
    [system(), time(), resources(), logs(), storage(), verdicts()].concat()
}

fn system() -> Vec<Attack> {
    let none = "WASI is linked, and there is nothing behind it";
    let sockets = "the functions that make sockets refuse, and the log says so once a call";
    vec![
        attack(
            "tcp",
            "makes 1,000 TCP sockets, each a file descriptor of the gateway",
            sockets,
        )
        .rejects("seen", "0 made"),
        attack("udp", "makes 1,000 UDP sockets", sockets).rejects("seen", "0 made"),
        attack(
            "lookup",
            "resolves the names of this machine and of a cloud's metadata service",
            none,
        )
        .rejects("seen", "false"),
        attack(
            "files",
            "looks for folders, and reads the environment of the gateway in `/proc`",
            none,
        )
        .rejects("seen", "0 folders"),
        attack(
            "environment",
            "reads environment, arguments, folder and terminal",
            none,
        )
        .rejects("seen", "0 variables, 0 arguments, None, no terminal"),
        attack("stdin", "reads 16 EiB of standard input", none).rejects("seen", "Closed"),
        attack("threads", "starts a thread", none).rejects("seen", "false"),
        attack(
            "exit",
            "ends the process with success",
            "the call ends, and the gateway does not",
        )
        .fails("trapped", "exited with 0"),
        attack(
            "exit-code",
            "ends the process with a failure",
            "the call ends, and the gateway does not",
        )
        .fails("trapped", "exited with"),
    ]
}

fn time() -> Vec<Attack> {
    let wall = "the wall-clock limit of the call (`timeout`)";
    let short = "timeout = \"300ms\"";
    vec![
        attack(
            "clock",
            "measures how long its own code takes, to learn of other things on the machine",
            "both clocks stand still during a call",
        )
        .rejects("seen", "0ns true"),
        attack("sleep", "sleeps for an hour", wall)
            .with(short)
            .fails("timed_out", "300ms"),
        attack("never", "waits until the end of time", wall)
            .with(short)
            .fails("timed_out", "300ms"),
        attack("poll-many", "waits for 400 timers that never fire", wall)
            .with(short)
            .fails("timed_out", "300ms"),
        attack("poll-nothing", "waits for nothing at all", "WASI traps").fails("trapped", ""),
        attack(
            "poll-busy",
            "waits in a loop for what is always there",
            "the CPU limit of the call (`cpu`)",
        )
        .with("cpu = \"50ms\"")
        .fails("over_cpu", "50ms"),
    ]
}

fn resources() -> Vec<Attack> {
    let handles = "an instance has at most 1,024 handles";
    vec![
        attack("handles", "makes 5,000 timers", handles).fails("trapped", ""),
        attack(
            "allocate",
            "allocates 1 GiB",
            "the memory limit of the call (`memory`)",
        )
        .fails("over_memory", "33554432 are allowed"),
        attack(
            "random",
            "asks for a terabyte of random bytes",
            "one call of WASI gives at most 64 KiB",
        )
        .fails("trapped", "limit"),
        attack(
            "insecure-random",
            "asks for 16 EiB of random bytes that need not be secure",
            "one call of WASI gives at most 64 KiB",
        )
        .fails("trapped", "limit"),
        attack(
            "zeroes",
            "writes 16 EiB of zeros",
            "a stream takes what it said that it has room for",
        )
        .fails("trapped", "zeroes"),
        attack(
            "unasked-write",
            "writes more at once than the stream has room for",
            "a stream takes what it said that it has room for",
        )
        .fails("trapped", ""),
        attack(
            "headers",
            "puts a megabyte of headers together",
            "a list of headers may have 64 KiB",
        )
        .fails("trapped", ""),
        attack("headers-held", "fills 2,000 lists of headers", handles).fails("trapped", ""),
        attack(
            "bodies",
            "begins 300 requests, writes as much of each body as is taken, and makes none of them",
            "of each body at most some parts of 16 KiB are kept",
        )
        .rejects("seen", "300 bodies"),
        attack(
            "bad-headers",
            "sets headers with line ends, zeros, or names that are none",
            "headers are checked when they are set",
        )
        .rejects("seen", "6 of 6 refused"),
        attack(
            "framing",
            "sets the headers that decide where a request goes and how it is framed",
            "only the gateway sets them",
        )
        .rejects("seen", "9 of 9 refused"),
    ]
}

fn logs() -> Vec<Attack> {
    let lines = "50 lines and 16 KiB of a call are logged; a line says how many were dropped";
    vec![
        attack(
            "log",
            "logs 5,000 lines that look like the gateway's, with fields named `level` and `plugin`",
            lines,
        )
        .rejects("seen", "logged"),
        attack(
            "log-megabyte",
            "logs one line of 1.6 MB with line ends and right-to-left marks",
            "a text is cut to 1 KiB and escaped",
        )
        .rejects("seen", "logged"),
        attack(
            "log-fields",
            "logs a line with 10,000 fields",
            "16 fields are logged, and the number of the others",
        )
        .rejects("seen", "logged"),
        attack(
            "stderr",
            "writes 400 KB to standard error",
            "4 KiB are kept, and logged only where the operator says so",
        )
        .rejects("seen", "written"),
    ]
}

fn storage() -> Vec<Attack> {
    let stored =
        |name, does, stopped_by| attack(name, does, stopped_by).with("grants.kv = \"1MiB\"");
    vec![
        stored(
            "kv-full",
            "writes 64 MB to its storage",
            "the quota of the grant (`kv`)",
        )
        .rejects("seen", "QuotaExceeded"),
        stored(
            "kv-large",
            "writes a value of more than 1 MiB, a key of 513 bytes, and a key of no bytes",
            "the limits of keys and values",
        )
        .rejects("seen", "Some(TooLarge) Some(TooLarge) Some(TooLarge)"),
        stored(
            "kv-long-keys",
            "reads twenty keys of a megabyte each, which the cache would remember",
            "a key that is too long is absent, and not cached",
        )
        .rejects("seen", "20 absent"),
        stored(
            "kv-times",
            "stores a key for half a billion years, and one for no time",
            "times are added without an overflow",
        )
        .rejects("seen", "Ok(()) true Ok(()) false"),
        stored(
            "kv-list",
            "asks for four billion keys",
            "a list has at most 1,000 keys",
        )
        .rejects("seen", "20 keys"),
        stored(
            "kv-wildcards",
            "lists keys by wildcards, by SQL, and by a prefix with a zero byte",
            "a prefix is compared byte by byte",
        )
        .rejects("seen", "[0, 0, 0, 0, 1, 0]"),
        stored(
            "kv-others",
            "looks for the keys of other plugins",
            "each plugin has its own namespace",
        )
        .rejects("seen", "Ok([]) Ok(None)"),
        attack(
            "secrets",
            "asks for secrets by names that are not granted, beside one that is",
            "only granted names are known",
        )
        .with("grants.secrets = [\"WHARF_TEST_SECRET\"]")
        .rejects("seen", "0 of 7"),
    ]
}

fn verdicts() -> Vec<Attack> {
    let changed = |name, does, stopped_by| attack(name, does, stopped_by).with("may_modify = true");
    vec![
        changed("recipient", "sends the message to somebody else", "no plugin may change the recipient").fails("failed", "recipient"),
        changed("location", "makes the message a location that is not a number, which could never be read from the database again", "a location must be on the earth").fails("failed", "earth"),
        changed("reply", "makes the message answer an id with a line end", "the limits of the API").fails("failed", "message id"),
        changed("metadata", "gives the message 10,000 pairs of metadata", "the limits of the API").fails("failed", "metadata"),
        attack("fickle", "accepts its configuration when it is loaded, and refuses it in calls", "a refusal in a call is a failure of the plugin, and counts for its quarantine").with("grants.kv = \"1MiB\"").fails("failed", "refused the config"),
    ]
}
