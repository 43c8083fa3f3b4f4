//! A text with places. What is filled in is never read as a place, and where
//! there is none the text stays as it is.

use crate::lossy;
use servicenow_sync_plugin::template::Template;

pub(crate) fn run(data: &[u8]) {
    let text = lossy(data);
    let template = Template::from(text.as_str());
    let rendered = template.render(&|name| Some(format!("{{{{{name}}}}}")));
    let again = Template::from(rendered.as_str());
    if template.names().next().is_none() {
        assert_eq!(rendered, text);
    }
    if template.problem(&|_| true).is_none() {
        let names: Vec<_> = template.names().collect();
        assert!(
            again.names().count() >= names.len(),
            "{names:?} in {rendered:?}"
        );
    }
    let empty = template.render(&|_| None);
    assert!(empty.len() <= text.len(), "{empty:?}");
    assert!(template.problem(&|_| false).is_some() || template.names().next().is_none());
}
