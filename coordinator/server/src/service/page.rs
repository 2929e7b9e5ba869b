//! Pages: limits and opaque tokens. A token is bound to the list and its arguments, so that it cannot be used on
//! another one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::api::{Page, PageRequest};
use super::error::{ApiError, ErrorCode};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// The limit in force and the cursor of a request.
pub(crate) fn open(
    request: &PageRequest,
    list: &str,
    arguments: &str,
) -> Result<(usize, Option<String>), ApiError> {
    let limit = match request.limit as usize {
        0 => LIMIT_DEFAULT,
        limit => limit.min(LIMIT_MAX),
    };
    let Some(token) = &request.token else {
        return Ok((limit, None));
    };
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_error| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_error| invalid())?;
    let (bound, cursor) = text.split_once('\n').ok_or_else(invalid)?;
    if bound != binding(list, arguments) {
        return Err(invalid());
    }
    Ok((limit, Some(cursor.to_owned())))
}

/// A page of at most `limit` of the items (one more was asked for to know whether there are more).
pub(crate) fn close<T>(
    mut items: Vec<T>,
    limit: usize,
    list: &str,
    arguments: &str,
    cursor: impl Fn(&T) -> String,
) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    let next_token = last.map(|item| token(list, arguments, &cursor(item)));
    Page { items, next_token }
}

fn token(list: &str, arguments: &str, cursor: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}\n{cursor}", binding(list, arguments)))
}

fn binding(list: &str, arguments: &str) -> String {
    format!(
        "{:016x}",
        xxhash_rust::xxh3::xxh3_64(format!("{list}\0{arguments}").as_bytes())
    )
}

/// The recorded refusal of a page token.
pub(crate) fn invalid() -> ApiError {
    ApiError::new(ErrorCode::InvalidToken, "Invalid Token: 'Invalid token'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(limit: u32, token: Option<String>) -> PageRequest {
        PageRequest { limit, token }
    }

    #[test]
    fn a_token_leads_on_in_its_own_list_only() {
        let page = close(vec![1, 2, 3], 2, "numbers", "x", ToString::to_string);
        assert_eq!(page.items, [1, 2]);
        let next = request(2, page.next_token);
        assert_eq!(
            open(&next, "numbers", "x").unwrap(),
            (2, Some("2".to_owned()))
        );
        assert_eq!(open(&next, "numbers", "y").unwrap_err(), invalid());
        assert_eq!(open(&next, "letters", "x").unwrap_err(), invalid());
    }

    #[test]
    fn the_last_page_has_no_token() {
        assert_eq!(
            close(vec![1, 2], 2, "numbers", "", ToString::to_string).next_token,
            None
        );
    }

    #[test]
    fn limits_have_aws_defaults() {
        assert_eq!(open(&request(0, None), "l", "").unwrap().0, 100);
        assert_eq!(open(&request(5000, None), "l", "").unwrap().0, 1000);
        for garbage in ["", "x", "####", "bm90aGluZw"] {
            assert_eq!(
                open(&request(1, Some(garbage.into())), "l", "").unwrap_err(),
                invalid()
            );
        }
    }
}
