//! The commands that bring a lab up and take it down, as a person would type them.
//!
//! They are data: what runs, what `--dry-run` prints and what tests look at is the
//! same. No secret is ever an argument; what has to be kept secret goes by stdin.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::KindLab;
use super::mirrors::{Charts, Mirrors, file_name, node_image};
use super::parts::Chart;
use base::children::Stdin;
use base::shown::quoted;
use cluster::names::{MANAGER, VALUES_TEMPLATE};

/// The Kubernetes version that charts are checked against. Helm's own idea of it is
/// whatever it was built with, and for one built from its module v1.20.
const KUBERNETES: &str = "1.37.0";

/// The longest time for something that is done in a moment.
const SHORT: Duration = Duration::from_secs(60);
/// The longest time for what takes minutes on a slow line.
const LONG: Duration = Duration::from_secs(30 * 60);

/// An outside program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// kind.
    Kind,
    /// Helm.
    Helm,
    /// kubectl.
    Kubectl,
    /// docker, podman or nerdctl.
    Engine,
}

/// A command line.
#[derive(Clone)]
pub struct Typed {
    /// The program.
    pub program: Program,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it reads.
    pub stdin: Stdin,
    /// The longest that it may take.
    pub limit: Duration,
    /// Names it among those that run at the same time.
    pub label: String,
}

/// The commands of a lab, by these programs.
#[derive(Clone, Debug)]
pub struct Commands {
    /// The lab.
    pub lab: KindLab,
    /// The checkout.
    pub root: PathBuf,
    /// The engine's name.
    pub engine: &'static str,
    /// Helm's first number.
    pub helm: u32,
    /// What the engine has to be told to save an image for this machine alone, if
    /// it has to be told.
    pub platform: Option<String>,
    /// Where charts and images come from.
    pub mirrors: Mirrors,
    /// Where kind is.
    pub kind: PathBuf,
    /// The longest time to wait for something in the cluster.
    pub wait: Duration,
}

/// A shorthand for arguments.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { vec![$($arg.to_string()),*] };
}

impl Commands {
    fn typed(&self, program: Program, label: impl Into<String>, args: Vec<String>) -> Typed {
        Typed { program, args, stdin: Stdin::Nothing, limit: SHORT, label: label.into() }
    }

    /// The file of kind's config.
    pub fn config(&self) -> PathBuf {
        self.lab.folder().join("kind-config.yaml")
    }

    /// The file of a chart.
    pub fn chart_file(&self, chart: &Chart) -> PathBuf {
        self.mirrors.folder().join(chart.file())
    }

    /// The image that the node is made from: the one that somebody wishes for, else kind's
    /// own, from wherever images come from, if kind says which. Blocks.
    pub fn image_of_node(&self, wished: Option<&str>) -> Option<String> {
        wished.map(str::to_owned).or_else(|| Some(self.mirrors.image(&node_image(&self.kind)?)))
    }

    /// The folder that Helm runs in. With `--repo` it would take a folder of the chart's
    /// name for the chart itself: so there is none.
    pub fn empty(&self) -> PathBuf {
        self.lab.folder().join("empty")
    }

    fn kind(&self, label: &str, does: [&str; 2]) -> Typed {
        let [verb, what] = does;
        let args =
            args![verb, what, "--name", self.lab.name(), "--kubeconfig", self.lab.kubeconfig().display()];
        self.typed(Program::Kind, label, args)
    }

    /// Makes the cluster. It is not told to wait: when its patience ends, kind only
    /// warns, and exits 0. Its nodes stay if it fails, so that they can be looked at.
    pub fn create_cluster(&self, image: Option<&str>) -> Typed {
        let mut args = args!["create", "cluster", "--name", self.lab.name(), "--config"];
        args.push(self.config().display().to_string());
        args.extend(args!["--kubeconfig", self.lab.kubeconfig().display(), "--retain"]);
        args.extend(image.into_iter().flat_map(|image| args!["--image", image]));
        Typed { limit: LONG, ..self.typed(Program::Kind, "cluster", args) }
    }

    /// Removes the cluster. Done if there is none.
    pub fn delete_cluster(&self) -> Typed {
        Typed { limit: SHORT * 3, ..self.kind("delete", ["delete", "cluster"]) }
    }

    /// Writes the kubeconfig of a cluster that is there.
    pub fn kubeconfig(&self) -> Typed {
        self.kind("kubeconfig", ["export", "kubeconfig"])
    }

    /// The clusters of all names.
    pub fn clusters(&self) -> Typed {
        self.typed(Program::Kind, "clusters", args!["get", "clusters"])
    }

    /// Starts the node again, as after a restart of the machine.
    pub fn start_node(&self) -> Typed {
        self.typed(Program::Engine, "start", args!["start", self.lab.node()])
    }

    /// What the node printed last.
    pub fn node_log(&self) -> Typed {
        self.typed(Program::Engine, "node-log", args!["logs", "--tail", "20", self.lab.node()])
    }

    /// The id of an image that the engine has.
    pub fn image_id(&self, image: &str) -> Typed {
        let args = args!["image", "inspect", "--format", "{{.Id}}", image];
        self.typed(Program::Engine, format!("inspect-{}", file_name(image)), args)
    }

    /// Pulls an image.
    pub fn pull_image(&self, image: &str) -> Typed {
        let label = format!("pull-{}", file_name(image));
        Typed { limit: LONG, ..self.typed(Program::Engine, label, args!["pull", image]) }
    }

    /// Gives an image another name.
    pub fn tag_image(&self, image: &str, name: &str) -> Typed {
        self.typed(Program::Engine, format!("tag-{}", file_name(name)), args!["tag", image, name])
    }

    /// Asks the node for an image.
    pub fn image_on_node(&self, image: &str) -> Typed {
        let args = args!["exec", self.lab.node(), "crictl", "inspecti", "--quiet", image];
        self.typed(Program::Engine, format!("on-node-{}", file_name(image)), args)
    }

    /// The file that images are saved to on their way into the node.
    pub fn archive(&self, part: &str) -> PathBuf {
        self.lab.folder().join(format!("{part}-images.tar"))
    }

    /// Saves images into an archive, this machine's platform alone: a docker that keeps
    /// images as containerd does would name platforms whose layers it never had.
    pub fn save_images(&self, part: &str, images: &[&str]) -> Typed {
        let mut args = args!["image", "save", "--output", self.archive(part).display()];
        if let Some(platform) = &self.platform {
            args.extend(args!["--platform", platform]);
        }
        args.extend(images.iter().map(ToString::to_string));
        Typed { limit: LONG, ..self.typed(Program::Engine, format!("save-{part}"), args) }
    }

    /// Loads an archive of images into the node.
    pub fn load_images(&self, part: &str) -> Typed {
        let args = args!["load", "image-archive", self.archive(part).display(), "--name", self.lab.name()];
        Typed { limit: LONG, ..self.typed(Program::Kind, format!("load-{part}"), args) }
    }

    /// Pulls a chart.
    pub fn pull_chart(&self, chart: &Chart) -> Typed {
        let place = match &self.mirrors.charts {
            Charts::Mirror(url) => url,
            Charts::Published | Charts::Folder(_) => chart.published,
        };
        let mut args = match place.starts_with("oci://") {
            true => args!["pull", format!("{place}/{}", chart.name)],
            false => args!["pull", chart.name, "--repo", place],
        };
        args.extend(args!["--version", chart.version, "--destination", self.mirrors.folder().display()]);
        Typed { limit: SHORT * 5, ..self.typed(Program::Helm, format!("chart-{}", chart.name), args) }
    }

    /// What Helm reads of `values/`, or of the template there that is rendered for it.
    pub fn values_file(&self, file: &str) -> PathBuf {
        let folder = match file {
            VALUES_TEMPLATE => self.lab.folder().to_owned(),
            _ => self.root.join("values"),
        };
        folder.join(format!("{file}.yaml"))
    }

    fn chart_and_values(&self, chart: &Chart, values: &str) -> (Vec<String>, Stdin) {
        let file = self.chart_file(chart);
        let mut args = args![chart.release, file.display(), "--namespace", chart.namespace];
        for file in &chart.values {
            args.extend(args!["--values", self.values_file(file).display()]);
        }
        if values.is_empty() {
            return (args, Stdin::Nothing);
        }
        args.extend(args!["--values", "-"]);
        (args, Stdin::Values(values.to_owned()))
    }

    /// Renders a chart, to see whether it takes the values and which images it names.
    pub fn template(&self, chart: &Chart, values: &str) -> Typed {
        let mut args = args!["template"];
        let (more, stdin) = self.chart_and_values(chart, values);
        args.extend(more);
        args.extend(args!["--kube-version", KUBERNETES]);
        Typed { stdin, ..self.typed(Program::Helm, format!("template-{}", chart.name), args) }
    }

    /// Installs a chart, or brings what is installed up to date. Helm waits for the
    /// chart's hooks only; for pods the lab waits itself, by a watch.
    pub fn install(&self, chart: &Chart, values: &str) -> Typed {
        let mut args = args!["upgrade", "--install"];
        let (more, stdin) = self.chart_and_values(chart, values);
        args.extend(more);
        args.extend(chart.options.iter().map(ToString::to_string));
        if self.helm >= 4 {
            // What somebody else wrote meanwhile goes: the values say how the lab has to look.
            args.extend(args!["--server-side=true", "--force-conflicts"]);
        }
        args.extend(args!["--timeout", format!("{}s", self.wait.as_secs()), "--output", "json"]);
        args.extend(self.helm_cluster());
        let limit = self.wait + SHORT;
        Typed { stdin, limit, ..self.typed(Program::Helm, format!("install-{}", chart.release), args) }
    }

    /// Takes out what a chart installed, and waits until it is gone.
    pub fn uninstall(&self, chart: &Chart) -> Typed {
        let mut args = args!["uninstall", chart.release, "--namespace", chart.namespace, "--wait"];
        args.extend(args!["--timeout", format!("{}s", self.wait.as_secs())]);
        args.extend(self.helm_cluster());
        let limit = self.wait + SHORT;
        Typed { limit, ..self.typed(Program::Helm, format!("uninstall-{}", chart.release), args) }
    }

    fn helm_cluster(&self) -> Vec<String> {
        args!["--kubeconfig", self.lab.kubeconfig().display(), "--kube-context", self.lab.context()]
    }

    /// Applies documents, and takes back fields that another manager took over.
    pub fn apply(&self, name: &str, documents: String) -> Typed {
        let mut args =
            args!["--kubeconfig", self.lab.kubeconfig().display(), "--context", self.lab.context()];
        let manager = format!("--field-manager={MANAGER}");
        args.extend(args!["apply", "--server-side", "--force-conflicts", manager, "--filename", "-"]);
        let stdin = Stdin::Documents(name.to_owned(), documents);
        Typed { stdin, ..self.typed(Program::Kubectl, "kubectl-apply", args) }
    }

    /// The name that a person types for a program.
    fn name(&self, program: Program) -> &'static str {
        ["kind", "helm", "kubectl", self.engine][program as usize]
    }

    /// A command as a person would type it in the checkout.
    pub fn shown(&self, typed: &Typed) -> String {
        let mut line = String::new();
        if typed.program == Program::Helm {
            let _ = write!(line, "cd {} && ", self.shorter(&quoted(&self.empty().display().to_string())));
        }
        line.push_str(self.name(typed.program));
        for arg in &typed.args {
            let _ = write!(line, " {}", self.shorter(&quoted(arg)));
        }
        match &typed.stdin {
            Stdin::Nothing => {}
            Stdin::Values(values) => {
                let _ = write!(line, " <<'END'\n{}\nEND", values.trim_end());
            }
            Stdin::Documents(name, _) => {
                let _ = write!(line, "    # reads {name}");
            }
        }
        line
    }

    /// An argument with the lab's folder as `$LAB`.
    fn shorter(&self, arg: &str) -> String {
        let folder = self.lab.folder().display().to_string();
        match arg.strip_prefix(&folder) {
            Some(rest) if rest.starts_with('/') => format!("$LAB{rest}"),
            _ => arg.to_owned(),
        }
    }

    /// The line that says what `$LAB` is in commands as they are shown.
    pub fn folder_line(&self) -> String {
        format!("LAB={}", quoted(&self.lab.folder().display().to_string()))
    }

    /// As [`Commands::shown`], where Helm's folder and the values are left out: for one line.
    pub fn in_short(&self, typed: &Typed) -> String {
        let shown: Vec<String> = typed.args.iter().take(3).map(|arg| quoted(arg)).collect();
        format!("{} {}", self.name(typed.program), shown.join(" "))
    }
}
