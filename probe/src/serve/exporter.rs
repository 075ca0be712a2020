//! What the exporter answers: which target is meant, how long its login may take, and the file read anew.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use probe::http::parameter;
use url::Url;

use super::config;
use super::target::{Account, Shared, Target};

/// The shortest time in which a login is tried at all.
const SHORTEST: Duration = Duration::from_millis(100);

/// Each module with the targets that it allows.
type Modules = BTreeMap<String, (Arc<Account>, HashMap<Url, Arc<Target>>)>;

pub(super) struct Exporter {
    file: PathBuf,
    offset: Duration,
    modules: RwLock<Arc<Modules>>,
    shared: Arc<Shared>,
}

/// Why a target has no metrics.
#[derive(Debug)]
pub(super) enum NotTold {
    /// The request is wrong.
    Rejected(String),
    /// Nothing could be found out in time.
    Busy(String),
}

impl Exporter {
    /// Reads the file of modules.
    pub(super) fn new(file: PathBuf, offset: Duration, concurrency: usize) -> Result<Self, String> {
        let modules = made(&file, &Modules::new())?;
        let shared = Arc::new(Shared::new(concurrency));
        shared.own.read_config(true);
        Ok(Self { file, offset, modules: RwLock::new(Arc::new(modules)), shared })
    }

    /// What the file allows, in a few words.
    pub(super) fn summary(&self) -> String {
        let modules = self.modules();
        let targets: usize = modules.values().map(|(_, targets)| targets.len()).sum();
        let many = |count, what| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
        format!("{} with {}", many(modules.len(), "module"), many(targets, "target"))
    }

    /// Reads the file anew. What is known of an account and its targets stays known; a
    /// broken file changes nothing.
    pub(super) fn reload(&self) -> Result<String, String> {
        let read = made(&self.file, &self.modules());
        self.shared.own.read_config(read.is_ok());
        let said = match read {
            Ok(modules) => {
                *self.modules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(modules);
                Ok(format!("read {} anew: {}", self.file.display(), self.summary()))
            }
            Err(why) => Err(format!("{why}; what was read before stays")),
        };
        super::log(said.as_ref().unwrap_or_else(|why| why));
        said
    }

    /// The metrics of the target that a query names.
    pub(super) async fn probe(&self, query: &str, limit: Option<f64>) -> Result<String, NotTold> {
        let (account, target) = self.find(query).map_err(|why| {
            self.shared.own.scraped(super::metrics::Scrape::Rejected);
            NotTold::Rejected(why)
        })?;
        let asked = limit.and_then(|limit| Duration::try_from_secs_f64(limit).ok());
        let in_time = asked.map(|asked| asked.saturating_sub(self.offset).max(asked / 2));
        let limit = in_time.unwrap_or(account.module.timeout).min(account.module.timeout).max(SHORTEST);
        target.scrape(&self.shared, limit).await.map_err(NotTold::Busy)
    }

    pub(super) fn metrics(&self) -> String {
        self.shared.own.text()
    }

    fn modules(&self) -> Arc<Modules> {
        Arc::clone(&self.modules.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn find(&self, query: &str) -> Result<(Arc<Account>, Arc<Target>), String> {
        let modules = self.modules();
        let (account, targets) = match (parameter(query, "module"), modules.len()) {
            (Some(name), _) => modules.get(&name).ok_or("the file has no module of this name")?,
            (None, 1) => modules.values().next().ok_or("there is no module")?,
            (None, _) => return Err("there are several modules; name one, as in &module=NAME".to_owned()),
        };
        let target = parameter(query, "target")
            .ok_or("name a target, as in /probe?target=https://argocd.example.com")?;
        let url = config::target(&target).map_err(|why| format!("the target is no address: {why}"))?;
        let target =
            targets.get(&url).ok_or("the module does not allow this target; add it to its targets")?;
        Ok((Arc::clone(account), Arc::clone(target)))
    }
}

/// The modules of a file; those that stand there as before are taken over from `old`.
fn made(file: &std::path::Path, old: &Modules) -> Result<Modules, String> {
    let mut modules = Modules::new();
    for (name, module) in config::read(file)? {
        let made = match old.get(&name).filter(|(account, _)| account.module == module) {
            Some(same) => same.clone(),
            None => {
                let urls = module.targets.clone();
                let old = old.get(&name).filter(|(account, _)| account.is_also(&module));
                let account = Account::new(module, old.map(|(account, _)| &**account))
                    .map_err(|why| format!("{}: the module {name}: {why}", file.display()))?;
                let account = Arc::new(account);
                let target = |url: Url| {
                    let old = old.and_then(|(_, targets)| targets.get(&url)).map(|target| &**target);
                    (url.clone(), Arc::new(Target::new(url, Arc::clone(&account), old)))
                };
                (Arc::clone(&account), urls.into_iter().map(target).collect())
            }
        };
        modules.insert(name, made);
    }
    Ok(modules)
}
