// Package redact takes secrets out of what is shown or kept: URLs, and texts that may
// repeat any part of a request.
//
// Start with [URL] and [Text].
package redact

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// redacted stands where a secret was.
const redacted = "REDACTED"

// URL returns a URL without what must not reach a log: the user and password, and
// the values of parameters that carry secrets, also of a URL within a parameter's
// value. What is no URL is redacted just so, as far as it looks like one.
func URL(rawURL string) string {
	return parameters(users(rawURL, "/?#"), "&;#")
}

// Text returns a text without the secrets in it: those of URLs, of headers, of
// members of JSON and elements of XML, and of values after an equals sign. It is for
// what a server or net/http says, which may repeat any part of a request.
func Text(text string) string {
	text = quoted.ReplaceAllStringFunc(text, func(s string) string { return `"` + URL(s[1:len(s)-1]) + `"` })
	text = fragment.ReplaceAllString(text, `${1}"`+redacted+`"`)
	text = schemeOfPairs.ReplaceAllString(text, "${1} "+redacted)
	text = schemeOfToken.ReplaceAllStringFunc(text, credential)
	text = webToken.ReplaceAllString(text, redacted)
	text = member.ReplaceAllString(text, `${1}`+redacted+`${2}`)
	text = innerMember.ReplaceAllString(text, `${1}`+redacted)
	text = element.ReplaceAllString(text, `<${1}>`+redacted)
	text = header.ReplaceAllString(text, `${1}`+redacted)
	return parameters(users(text, "/?# \t\r\n\"'<>`"), "&;# \t\r\n\"'<>`\\")
}

// hidden is an error whose text may repeat secrets.
type hidden struct{ err error }

func (h *hidden) Error() string { return Text(h.err.Error()) }

// Unwrap returns the error as it was.
func (h *hidden) Unwrap() error { return h.err }

// Error is err, with its secrets hidden where it has any.
func Error(err error) error {
	if text := err.Error(); Text(text) == text {
		return err
	}
	return &hidden{err}
}

const names = `authorization|proxy-authorization|cookie|set-cookie|x-api-key|api-key|apikey|api_key|` +
	`x-auth-token|private-token|x-csrf-token|x-amz-security-token|x-hub-signature(?:-256)?`

const members = names + `|accesstoken|access_token|refreshtoken|refresh_token|idtoken|id_token|certificate|password|` +
	`secret|client_secret|token|signature|bewit|sig`

var (
	// quoted is a URL in quotes, such as net/http's errors have, which may hold blanks.
	quoted = regexp.MustCompile(`"(?:[A-Za-z][A-Za-z0-9+.-]*:)?\\?/[^"\n]*"`)
	// fragment is a piece of a URL that net/url could not read.
	fragment = regexp.MustCompile(`(invalid (?:port|URL escape|userinfo) )"(?:[^"\\]|\\.)*"`)
	// schemeOfPairs are the credentials of Hawk and the like: names with values in quotes.
	schemeOfPairs = regexp.MustCompile(
		`(?i)\b(hawk|digest|oauth|signature)\s+(?:[\w-]+\s*=\s*\\*"[^"\\]*(?:\\*"|$)[,\s]*)+`)
	schemeOfToken = regexp.MustCompile(`(?i)\b(?:bearer|basic|negotiate|token)\s+[A-Za-z0-9+/_.~=-]{6,}`)
	webToken      = regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)*`)
	// member is a member of a JSON object; the text may be cut off within it.
	member = regexp.MustCompile(`("(?i:` + members + `)"\s*:\s*(?:\[\s*)?")(?:[^"\\]|\\.)*("|\\?$)`)
	// innerMember is one of JSON within a text of JSON.
	innerMember = regexp.MustCompile(`(\\+"(?i:` + members + `)\\+"\s*:\s*\\+")[^"\\]*`)
	element     = regexp.MustCompile(`<(\w*(?i:signature|stringtosign|accesskey|secret|token|canonicalrequest|password|` +
		`credential)\w*)>[^<]*`)
	// header is a line of a header, alone or as a program prints it.
	header = regexp.MustCompile(`(?i)(\b(?:` + names + `)\\?['"]?\s*[:=]\s*\[?'?)[^\s"'<>\\\[\]{][^\r\n"'<>\\\]]*`)
)

// credential is what a word that may be a scheme is followed by: credentials, or prose.
func credential(s string) string {
	scheme, value, _ := strings.Cut(s, " ")
	value = strings.TrimSpace(value)
	if strings.EqualFold(scheme, "basic") {
		pair, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
		if err != nil || !slices.Contains(pair, ':') {
			return s
		}
	} else if !strings.ContainsAny(value, "0123456789") {
		return s
	}
	return scheme + " " + redacted
}

var (
	slashes    = regexp.MustCompile(`\\?/\\?/|(?i:%(?:25)*2F){2}`)
	encodedEnd = regexp.MustCompile(`(?i)%(?:25)*(?:2F|3F|23|26)`)
	encodedAt  = regexp.MustCompile(`%(?:25)*40`)
)

// users redacts the user and password of each URL in a text. Stop are the characters
// that end its authority.
func users(text, stop string) string {
	var out strings.Builder
	before := ""
	for {
		at := slashes.FindStringIndex(text)
		if at == nil {
			out.WriteString(text)
			return out.String()
		}
		if at[0] > 0 {
			before = text[:at[0]]
		}
		out.WriteString(text[:at[1]])
		sign := text[at[0]:at[1]]
		text = text[at[1]:]
		if !begins(before) {
			continue
		}
		end := strings.IndexAny(text, stop)
		if end < 0 {
			end = len(text)
		}
		user := userOf(text, end)
		if strings.Contains(sign, "%") {
			user = encodedUser(text[:end])
		}
		if user > 0 {
			out.WriteString(redacted)
		}
		text = text[user:]
	}
}

// begins reports whether two slashes after this text begin an authority, rather than
// being in a path.
func begins(before string) bool {
	return before == "" || strings.ContainsAny(before[len(before)-1:], ":= \t\r\n\"'<>(`,") ||
		strings.HasSuffix(strings.ToUpper(before), "3A")
}

// userOf is how much of the text is a user and password; its authority ends at end. A
// password with a character that ends an authority makes a URL that nobody can read: it
// is told by a port that is no number.
func userOf(text string, end int) int {
	if at := strings.LastIndex(text[:end], "@"); at >= 0 {
		return at
	}
	host, port, has := strings.Cut(text[:end], ":")
	if !has || strings.HasPrefix(host, "[") || strings.Trim(port, "0123456789") == "" {
		return 0
	}
	word := text
	if n := strings.IndexAny(text, " \t\r\n\"'<>"); n >= 0 {
		word = text[:n]
	}
	return max(0, strings.LastIndex(word, "@"))
}

// encodedUser is userOf where the URL is percent-encoded.
func encodedUser(text string) int {
	if end := encodedEnd.FindStringIndex(text); end != nil {
		text = text[:end[0]]
	}
	at := encodedAt.FindAllStringIndex(text, -1)
	if at == nil {
		return max(0, strings.LastIndex(text, "@"))
	}
	return at[len(at)-1][0]
}

var (
	equals    = regexp.MustCompile(`=|%(?:25)*3[Dd]|\\u003[Dd]`)
	separator = regexp.MustCompile(`%(?:25)*(?:26|3[Bb]|23|20|22|27|0[AaDd])`)
)

// longestName is how long the name of a parameter is at most that is looked at.
const longestName = 200

// parameters redacts what follows the names of secrets and an equals sign. Stop are
// the characters that end a value. Where the equals sign is percent-encoded, the URL
// that it belongs to is a value itself, and so is what ends its own values.
func parameters(text, stop string) string {
	var out strings.Builder
	for {
		at := equals.FindStringIndex(text)
		if at == nil {
			out.WriteString(text)
			return out.String()
		}
		name, sign := text[:at[0]], text[at[0]:at[1]]
		out.WriteString(text[:at[1]])
		text = text[at[1]:]
		if !secret(nameOf(name)) {
			continue
		}
		end := strings.IndexAny(text, stop)
		if end < 0 {
			end = len(text)
		}
		if sign != "=" {
			if n := separator.FindStringIndex(text[:end]); n != nil {
				end = n[0]
			}
		}
		if end > 0 {
			out.WriteString(redacted)
		}
		text = text[end:]
	}
}

// nameOf is the name of a parameter at the end of a text, decoded.
func nameOf(text string) string {
	name := text[max(0, len(text)-longestName):]
	for n := 0; n < 4 && strings.ContainsAny(name, `%\`); n++ { // a URL in a URL in a URL
		name = unescape(name)
	}
	return name[strings.LastIndexAny(name, "?&;#/=,:(){}[]\"'<>` \t\r\n")+1:]
}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}|\\u00[0-9A-Fa-f]{2}`)

// unescape returns a text without its escapes of URLs and of JSON, one level of them.
func unescape(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(e[len(e)-2:], 16, 8) // as the expression has it
		return string(rune(n))
	})
}

// secret reports whether a parameter of this name carries a secret.
func secret(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{
		"bewit", "token", "secret", "password", "passwd", "passphrase", "signature", "credential", "api_key", "apikey",
		"api-key", "accesskey", "access_key", "accessid", "private_key", "authorization", "session", "x-amz-",
		"x-goog-", "cookie", "hmac",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return slices.Contains([]string{"sig", "se", "pwd", "pass", "auth", "jwt", "mac", "key-pair-id", "policy"}, name)
}
