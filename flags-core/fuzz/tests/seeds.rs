//! Every committed seed keeps every promise: among them the inputs that once broke one.

use std::fs;
use std::path::Path;

#[test]
fn the_seeds_keep_the_promises() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, property) in flags_core_fuzz::PROPERTIES {
        let mut files = 0;
        for file in fs::read_dir(seeds.join(name)).expect("a folder for each target") {
            let path = file.expect("a file").path();
            println!("{}", path.display());
            property(&fs::read(&path).expect("bytes"));
            files += 1;
        }
        assert!(files > 0, "{name} has no seeds");
    }
}
