//! Compiles the shim against the headers of the very RocksDB that is linked, with the definitions that it was built with: they decide on the
//! layout of its classes.

use std::env;
use std::path::PathBuf;

/// As in the build script of `librocksdb-sys` for Linux, where they concern headers.
const DEFINITIONS: [&str; 5] =
    ["OS_LINUX", "ROCKSDB_PLATFORM_POSIX", "ROCKSDB_LIB_IO_POSIX", "HAVE_ALIGNED_NEW", "HAVE_UINT128_EXTENSION"];
/// Likewise; the variable is the one by which it can be changed there.
const STANDARD: (&str, &str) = ("ROCKSDB_CXX_STD", "c++20");

fn main() {
    println!("cargo:rerun-if-changed=src/shim.cc");
    println!("cargo:rerun-if-env-changed={}", STANDARD.0);
    let sys = env::var_os("DEP_ROCKSDB_CARGO_MANIFEST_DIR").expect("librocksdb-sys tells where it is");
    let sources = PathBuf::from(sys).join("rocksdb");
    let standard =
        env::var_os(STANDARD.0).and_then(|set| set.into_string().ok()).unwrap_or_else(|| STANDARD.1.to_owned());
    let mut build = cc::Build::new();
    build.cpp(true).std(standard.trim_start_matches("-std=")).define("NDEBUG", "1");
    DEFINITIONS.iter().for_each(|name| _ = build.define(name, None));
    // Their headers are not ours to mend.
    build.flag("-isystem").flag(sources.join("include")).flag("-isystem").flag(&sources);
    build.flag("-include").flag("cstdint").flag("-Wno-unused-parameter");
    build.file("src/shim.cc").compile("fault_env");
}
