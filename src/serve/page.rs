//! The page: one document that needs nothing from elsewhere, put together from its three parts.
//!
//! The policy that goes with it lets the browser run this script and talk to this server, and nothing else, whatever a
//! name in the data may look like.

const DOCUMENT: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The document, and its `Content-Security-Policy`.
pub(super) fn page() -> (Vec<u8>, String) {
    let mut bytes = [0; 16];
    // Without it the script is known by a word that is no secret; the page builds no markup out of data anyway.
    let _ = getrandom::fill(&mut bytes);
    let nonce: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let style = format!("<style nonce=\"{nonce}\">\n{STYLE}</style>");
    let script = format!("<script nonce=\"{nonce}\">\n{SCRIPT}</script>");
    let page = DOCUMENT.replace("<!-- style -->", &style).replace("<!-- script -->", &script);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    (page.into_bytes(), policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_document_that_builds_no_markup_from_data() {
        let (page, policy) = page();
        let page = String::from_utf8(page).expect("it is text");
        assert!(page.contains("<style nonce=") && page.contains("<script nonce=") && !page.contains("<!-- s"));
        assert!(policy.contains("script-src 'nonce-"));
        for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "src=", "@import"] {
            assert!(!page.contains(word), "{word}");
        }
        // The one address is a name space of SVG, which nobody fetches.
        let addresses: Vec<&str> = page.match_indices("http").map(|(at, _)| &page[at..]).collect();
        assert!(addresses.iter().all(|address| address.starts_with("http://www.w3.org/2000/svg")));
    }
}
