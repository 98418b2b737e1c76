//! What oneDNN, under PyTorch and MXNet, says of the instructions that it uses: the proof that a peer was held to a level.

use std::collections::BTreeSet;

use anyhow::Result;

use super::settings::Settings;
use super::turns::Contender;

/// Images of the step that is looked at: which kernels run does not depend on how long they do.
const BATCH: usize = 8;

/// One step of each peer with oneDNN's messages on, as lines of a list.
pub(super) fn say(peers: &[Contender], settings: &Settings) -> Result<String> {
    let settings = settings.at_batch(BATCH);
    let mut text = String::from(
        "\nWhat oneDNN says of itself in one step of each peer (`ONEDNN_VERBOSE=1`), and its kernels for convolutions:\n\n",
    );
    for peer in peers {
        let talkative = peer.clone().variable("ONEDNN_VERBOSE", "1").variable("DNNL_VERBOSE", "1");
        text.push_str(&line(&peer.name, &talkative.output(&settings, &["--steps", "1", "--warmup", "1"])?));
    }
    Ok(text)
}

fn line(name: &str, output: &str) -> String {
    let mut isa = "nothing";
    let mut kernels = BTreeSet::new();
    for message in output.lines().filter(|line| line.contains("_verbose,")) {
        let fields: Vec<&str> = message.split(',').collect();
        if let Some(found) = fields.iter().find_map(|field| field.strip_prefix("isa:")) {
            isa = found;
        }
        // .., exec, cpu, convolution, kernel, ..
        if let Some(at) = fields.iter().position(|field| *field == "exec")
            && let [_, "convolution", kernel] =
                fields[at + 1..].iter().take(3).copied().collect::<Vec<_>>()[..]
        {
            kernels.insert(kernel);
        }
    }
    let kernels: Vec<&str> = kernels.into_iter().collect();
    format!("- {name}: {isa}; {}\n", if kernels.is_empty() { "none".to_owned() } else { kernels.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_both_generations_are_read() {
        let text = "onednn_verbose,v1,info,cpu,isa:Intel AVX2\n{}\n\
                    onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx2,forward_training,x,0.1\n\
                    onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,x,0.1\n\
                    dnnl_verbose,exec,cpu,convolution,jit:avx2,backward_data,x,0.1\n";
        assert_eq!(line("torch", text), "- torch: Intel AVX2; brg_conv_fwd:avx2, jit:avx2\n");
        assert_eq!(line("torch", "{}"), "- torch: nothing; none\n");
    }
}
