// Package redact removes secrets from what is shown or stored: from URLs, and from texts
// that may repeat any part of a request.
//
// Start with [URL] for an address, [Text] for the words of a server, and [Error] for an
// error:
//
//	redact.URL("https://me:pw@ci.example/api?token=abc&page=2")
//	// https://REDACTED@ci.example/api?token=REDACTED&page=2
//
// It is better to redact too much than too little: a text without secrets may lose a word
// that only looks like one.
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

// URL returns a URL without its user and password, and without the values of parameters that
// carry secrets. It redacts a URL within a parameter's value too. A text that is not a URL
// is redacted in the same way, as far as it looks like one.
func URL(rawURL string) string {
	return parameters(users(rawURL, "/?#"), "&;#")
}

// Text returns a text without the secrets in it: those in URLs, in headers, in members of
// JSON and elements of XML, and in values after an equals sign. It is for the words of a
// server or of net/http, which may repeat any part of a request.
//
// The order of the steps matters: a URL in quotes comes first, since its blanks would end it
// in the later steps.
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

// Error returns err, wrapped so that its text has no secrets. An err without secrets comes
// back as it is. errors.Is and errors.As see through the wrapper; whoever unwraps it can
// read the secrets again.
func Error(err error) error {
	if text := err.Error(); Text(text) == text {
		return err
	}
	return &hidden{err}
}

// names are the headers that carry credentials, and members the members of JSON that do; both
// are alternatives of regular expressions, without regard to case.
const names = `authorization|proxy-authorization|cookie|set-cookie|x-api-key|api-key|apikey|api_key|` +
	`x-auth-token|private-token|x-csrf-token|x-amz-security-token|x-hub-signature(?:-256)?`

const members = names + `|accesstoken|access_token|refreshtoken|refresh_token|idtoken|id_token|certificate|password|` +
	`secret|client_secret|token|signature|bewit|sig`

var (
	// quoted matches a URL in quotes, which the errors of net/http have: Get "https://…". It may
	// contain blanks, and its slashes may be escaped as in JSON: \/.
	quoted = regexp.MustCompile(`"(?:[A-Za-z][A-Za-z0-9+.-]*:)?\\?/[^"\n]*"`)
	// fragment matches a piece of a URL that net/url could not parse: invalid port ":secret"
	// after host.
	fragment = regexp.MustCompile(`(invalid (?:port|URL escape|userinfo) )"(?:[^"\\]|\\.)*"`)
	// schemeOfPairs matches the credentials of Hawk and the like, a scheme followed by names
	// with values in quotes: Hawk id="a", mac="b". The quotes may be escaped, and the text may
	// end within a value.
	schemeOfPairs = regexp.MustCompile(
		`(?i)\b(hawk|digest|oauth|signature)\s+(?:[\w-]+\s*=\s*\\*"[^"\\]*(?:\\*"|$)[,\s]*)+`)
	// schemeOfToken matches a scheme and a token; credential decides whether it is prose such as
	// "basic configuration".
	schemeOfToken = regexp.MustCompile(`(?i)\b(?:bearer|basic|negotiate|token)\s+[A-Za-z0-9+/_.~=-]{6,}`)
	// webToken matches a JSON Web Token: base64 of {"… begins with eyJ, and dots separate its parts.
	webToken = regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)*`)
	// member matches a member of a JSON object whose value is a string or a list that begins with
	// one: "token": "x". The text may end within the value. The groups are what stays around it.
	member = regexp.MustCompile(`("(?i:` + members + `)"\s*:\s*(?:\[\s*)?")(?:[^"\\]|\\.)*("|\\?$)`)
	// innerMember matches such a member in JSON that is a string within JSON: \"token\": \"x\".
	innerMember = regexp.MustCompile(`(\\+"(?i:` + members + `)\\+"\s*:\s*\\+")[^"\\]*`)
	// element matches an element of XML, as S3 answers when a signature is wrong:
	// <StringToSign>…</StringToSign>.
	element = regexp.MustCompile(`<(\w*(?i:signature|stringtosign|accesskey|secret|token|canonicalrequest|password|` +
		`credential)\w*)>[^<]*`)
	// header matches a header, on a line of its own or as programs print it: Authorization: x,
	// 'authorization': ['x'], Authorization:[x].
	header = regexp.MustCompile(`(?i)(\b(?:` + names + `)\\?['"]?\s*[:=]\s*\[?'?)[^\s"'<>\\\[\]{][^\r\n"'<>\\\]]*`)
)

// credential redacts what follows a word that may be a scheme, if it looks like credentials
// and not like prose: after "basic", base64 of a text with a colon; after the other schemes,
// anything with a digit.
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

// Parts of a URL that is percent-encoded within another one, once or several times: %2F,
// %252F, %25252F. slashes is the // before an authority, also as \/\/ in JSON; encodedEnd ends
// an authority (/, ?, # or &); encodedAt is the @ after a user.
var (
	slashes    = regexp.MustCompile(`\\?/\\?/|(?i:%(?:25)*2F){2}`)
	encodedEnd = regexp.MustCompile(`(?i)%(?:25)*(?:2F|3F|23|26)`)
	encodedAt  = regexp.MustCompile(`%(?:25)*40`)
)

// users redacts the user and password of each URL in a text. stop has the characters that
// end an authority, the part user:password@host:port.
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

// begins reports whether two slashes after this text begin an authority: not in a path, as
// in https://host/a//b@c. 3A is the end of a percent-encoded colon.
func begins(before string) bool {
	return before == "" || strings.ContainsAny(before[len(before)-1:], ":= \t\r\n\"'<>(`,") ||
		strings.HasSuffix(strings.ToUpper(before), "3A")
}

// userOf is the number of bytes at the beginning of text that are a user and a password; the
// authority ends at end. A password may contain a character that ends an authority, as in
// user:pa/ss@host. The URL is then invalid, but the secret is still in it. It shows by a
// "port" that is not a number, pa, and userOf looks for the last @ of the whole word.
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

// The equals sign, and the characters after a value, also in forms that are escaped: %3D and
// %253D in a URL, \u003d in JSON; for the separator %26 (&), %3B (;), %23 (#), %20, %22 ("),
// %27 (') and line breaks.
var (
	equals    = regexp.MustCompile(`=|%(?:25)*3[Dd]|\\u003[Dd]`)
	separator = regexp.MustCompile(`%(?:25)*(?:26|3[Bb]|23|20|22|27|0[AaDd])`)
)

// longestName is the number of bytes before an equals sign in which its name is looked for.
const longestName = 200

// parameters redacts the values of secret parameters: what follows the name of a secret and
// an equals sign. stop has the characters that end a value. Where the equals sign is
// percent-encoded, it belongs to a URL that is itself a value, and the characters that end its
// values are percent-encoded too: u=https%3A%2F%2Fh%2F%3Ftoken%3Dx%26page%3D2 loses only x.
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

// nameOf is the name of a parameter at the end of a text, decoded: "token" for
// "https://h/?a=1&token" and for "x%3Ftoken".
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
		n, _ := strconv.ParseUint(e[len(e)-2:], 16, 8) // the expression matches two hexadecimal digits
		return string(rune(n))
	})
}

// secret reports whether a parameter of this name carries a secret. Long words count anywhere
// in a name (githubAccessToken); short ones, such as "sig", only as the whole name.
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
