//! The Python environment of golden data and of the peer's benchmark: one that is given, else one made under target/.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{exists, run, succeeds, target_folder};
use crate::options::Options;

/// Options that choose an environment.
pub(crate) const OPTIONS: [&str; 2] = ["venv", "python"];

/// Python modules, each as it is imported and as pip calls it.
pub(crate) type Modules<'m> = &'m [(&'m str, &'m str)];

/// What the peer's benchmark needs.
pub(crate) const TORCH: Modules<'_> = &[("torch", "torch"), ("numpy", "numpy")];

/// What the golden ONNX files need.
pub(crate) const ONNX: Modules<'_> = &[
    ("torchvision", "torchvision"),
    ("onnx", "onnx"),
    ("onnxscript", "onnxscript"),
    ("onnxruntime", "onnxruntime"),
];

/// What golden data needs: of networks, and weight files as PyTorch writes them.
pub(crate) const WEIGHTS: Modules<'_> =
    &[("torch", "torch"), ("numpy", "numpy"), ("safetensors", "safetensors")];

/// What the benchmark of inference needs.
pub(crate) const ENGINES: Modules<'_> = &[
    ("torch", "torch"),
    ("numpy", "numpy"),
    ("onnx", "onnx"),
    ("onnxruntime", "onnxruntime"),
    ("openvino", "openvino"),
    ("MNN", "MNN"),
    ("ncnn", "ncnn"),
    ("pnnx", "pnnx"),
];

/// MXNet's last release, and the last numpy it works with.
const MXNET: Modules<'_> = &[("mxnet", "mxnet==1.9.1"), ("numpy", "numpy==1.23.5")];

/// What the golden data of the resize needs; its display is not used.
pub(crate) const OPENCV: Modules<'_> = &[("cv2", "opencv-python-headless"), ("numpy", "numpy")];

/// What the golden data of the resize in evaluation needs.
pub(crate) const PILLOW: Modules<'_> =
    &[("PIL", "pillow"), ("numpy", "numpy"), ("torchvision", "torchvision"), ("timm", "timm")];

/// An interpreter that has these modules.
pub(crate) fn with(root: &Path, options: &Options, modules: Modules<'_>) -> Result<PathBuf> {
    if let Some(python) = options.text("python") {
        return check(PathBuf::from(python), modules);
    }
    if let Some(folder) = options.text("venv") {
        return check(interpreter(Path::new(folder)), modules);
    }
    made(&target_folder(root)?.join("torch-venv"), modules)
}

/// An interpreter that has MXNet: its numpy is too old for the others, so it has an environment of its own.
pub(crate) fn mxnet(root: &Path, options: &Options) -> Result<PathBuf> {
    match options.text("mxnet-python") {
        Some(python) => check(PathBuf::from(python), MXNET),
        None => made(&target_folder(root)?.join("mxnet-venv"), MXNET),
    }
}

/// The environment in `folder`, made if it is not there.
fn made(folder: &Path, modules: Modules<'_>) -> Result<PathBuf> {
    let python = interpreter(folder);
    if !has(&python, modules) {
        make(folder, &python, modules)?;
    }
    check(python, modules)
}

fn interpreter(folder: &Path) -> PathBuf {
    if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") }
}

fn has(python: &Path, modules: Modules<'_>) -> bool {
    let names: Vec<&str> = modules.iter().map(|(import, _)| *import).collect();
    succeeds(Command::new(python).args(["-c", &format!("import {}", names.join(", "))]))
}

fn check(python: PathBuf, modules: Modules<'_>) -> Result<PathBuf> {
    if !has(&python, modules) {
        let (imports, packages): (Vec<&str>, Vec<&str>) = modules.iter().copied().unzip();
        bail!(
            "{0} cannot import {1}: `{0} -m pip install {2}`",
            python.display(),
            imports.join(" and "),
            packages.join(" ")
        );
    }
    Ok(python)
}

fn make(folder: &Path, python: &Path, modules: Modules<'_>) -> Result<()> {
    let system = ["python3", "python"].into_iter().find(|name| exists(name));
    let system = system.context("PyTorch needs Python 3.10 or newer: no python3 was found")?;
    // on a folder that is there already this changes nothing
    run(Command::new(system).args(["-m", "venv"]).arg(folder))
        .context("on Debian the module venv is in the package python3-venv")?;
    let packages = modules.iter().map(|(_, package)| package);
    run(Command::new(python).args(["-m", "pip", "install", "--quiet"]).args(packages))
}
