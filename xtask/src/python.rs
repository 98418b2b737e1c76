//! Python environments: one that is given, else one made under target/.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{exists, run, succeeds, target_folder};
use crate::options::{CommandOptions, Defaults};

/// Options that choose an environment.
pub(crate) const DEFAULTS: Defaults<'static> = &[("venv", ""), ("python", ""), ("mxnet-python", "")];

/// Python modules as they are imported.
pub(crate) type Modules<'m> = &'m [&'static str];

/// What the benchmark of training needs.
pub(crate) const TORCH: Modules<'_> = &["torch", "numpy"];

/// What the benchmark of inference needs.
pub(crate) const ENGINES: Modules<'_> =
    &["torch", "numpy", "onnx", "onnxruntime", "openvino", "MNN", "ncnn", "pnnx"];

/// Those of them that compute in bf16, and the fastest that do not.
pub(crate) const BF16_ENGINES: Modules<'_> = &["torch", "numpy", "onnx", "onnxruntime", "openvino"];

/// What golden data needs, but for MXNet's.
pub(crate) const GOLDEN: Modules<'_> = &[
    "torch",
    "numpy",
    "safetensors",
    "cv2",
    "PIL",
    "datasets",
    "pyarrow",
    "webdataset",
    "torchvision",
    "timm",
    "onnx",
    "onnxscript",
    "onnxruntime",
];

/// MXNet's last release, and the last numpy it works with.
const MXNET: Modules<'_> = &["mxnet", "numpy"];

/// What pip calls a module of an environment.
fn package<'m>(module: &'m str, modules: Modules<'_>) -> &'m str {
    match module {
        // its display is not used
        "cv2" => "opencv-python-headless",
        "PIL" => "pillow",
        "mxnet" => "mxnet==1.9.1",
        "numpy" if modules == MXNET => "numpy==1.23.5",
        other => other,
    }
}

/// An interpreter that has these modules.
pub(crate) fn with(root: &Path, options: &CommandOptions, modules: Modules<'_>) -> Result<PathBuf> {
    let given = options.text("python").map(PathBuf::from);
    let given = given.or_else(|| Some(interpreter(Path::new(options.text("venv")?))));
    find(root, given, "torch-venv", modules)
}

/// An interpreter that has MXNet: its numpy is too old for the others, so it has an environment of its own.
pub(crate) fn mxnet(root: &Path, options: &CommandOptions) -> Result<PathBuf> {
    find(root, options.text("mxnet-python").map(PathBuf::from), "mxnet-venv", MXNET)
}

/// The interpreter that was given, else that of an environment under target/, made if it is not there.
fn find(root: &Path, given: Option<PathBuf>, name: &str, modules: Modules<'_>) -> Result<PathBuf> {
    let has = |python: &Path| {
        succeeds(Command::new(python).args(["-c", &format!("import {}", modules.join(", "))]))
    };
    let packages: Vec<&str> = modules.iter().map(|module| package(module, modules)).collect();
    let is_given = given.is_some();
    let folder = target_folder(root)?.join(name);
    let python = given.unwrap_or_else(|| interpreter(&folder));
    if !has(&python) && !is_given {
        let system = ["python3", "python"].into_iter().find(|name| exists(name));
        make(
            &folder,
            system.context("Python 3.10 or newer is needed: no python3 was found")?,
            &[],
            &packages,
        )?;
    }
    if !has(&python) {
        let python = python.display();
        bail!(
            "{python} cannot import {}: `{python} -m pip install {}`",
            modules.join(" and "),
            packages.join(" ")
        );
    }
    Ok(python)
}

/// The interpreter of an environment.
pub(crate) fn interpreter(folder: &Path) -> PathBuf {
    if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") }
}

/// Makes an environment, or installs into one that is there.
pub(crate) fn make(folder: &Path, python: &str, how: &[&str], packages: &[&str]) -> Result<()> {
    run(Command::new(python).args(["-m", "venv"]).args(how).arg(folder))
        .context("on Debian the module venv is in the package python3-venv")?;
    let mut pip = Command::new(interpreter(folder));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    // an unreachable server must not hold the tests up for minutes
    run(pip.args(["--retries", "1", "--timeout", "20"]).args(packages))
}
