//! Builds the shim to the peers that are installed; without them the crate builds all the same.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(has_pmdk)");
    println!("cargo::rerun-if-changed=shim/pmdk.c");
    let probe = |name: &str| {
        pkg_config::Config::new()
            .cargo_metadata(false)
            .probe(name)
            .ok()
    };
    let (Some(pmemobj), Some(pmem)) = (probe("libpmemobj"), probe("libpmem")) else {
        println!(
            "cargo::warning=libpmem and libpmemobj are NOT INSTALLED: no figures beside them (ci/setup.sh installs them)"
        );
        return;
    };
    cc::Build::new()
        .file("shim/pmdk.c")
        .includes(pmemobj.include_paths.iter().chain(&pmem.include_paths))
        .opt_level(2)
        .warnings(true)
        .compile("everline_shim_pmdk");
    for path in pmemobj.link_paths.iter().chain(&pmem.link_paths) {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    println!("cargo::rustc-link-lib=dylib=pmemobj");
    println!("cargo::rustc-link-lib=dylib=pmem");
    println!("cargo::rustc-cfg=has_pmdk");
}
