package link

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

const expected = "expected an address that begins with https:// or http://, or a task id of 22 characters"

// The forms in which chats and editors write a link with a title. Their group is the link;
// a title may say anything, another link too.
var (
	markdown = regexp.MustCompile(`(?is)^\[.*\]\(<?(https?://[^\s<>]+?)>?(?:\s+["'(].*)?\)[.,;:!?]*$`) // [title](link)
	slack    = regexp.MustCompile(`(?is)^<(https?://[^\s<>|]+)\|[^<>]*>[.,;:!?]*$`)                    // <link|title>
)

// escapedScheme matches a link that was a value in another link's query: https%3A%2F%2Fhost.
var escapedScheme = regexp.MustCompile(`(?i)^https?%3A%2F%2F`)

// unquoted is the text without the backslashes that a shell puts before the signs of a URL
// when one is pasted. No other sign keeps one: https://evil.example\@host stays what it is.
var unquoted = strings.NewReplacer(`\?`, "?", `\&`, "&", `\=`, "=", `\#`, "#")

// unwrapped is the link in a text as people paste it: without its title and what surrounds
// it, and decoded where it came out of another link's query.
func unwrapped(text string) string {
	text = strings.TrimFunc(text, blank)
	for _, form := range []*regexp.Regexp{markdown, slack} {
		if m := form.FindStringSubmatch(text); m != nil {
			text = m[1]
		}
	}
	text = trimmed(text)
	if escapedScheme.MatchString(text) {
		if plain, err := url.PathUnescape(text); err == nil {
			text = plain
		}
	}
	return unquoted.Replace(strings.TrimPrefix(text, "view-source:"))
}

// trimmed is the text without what surrounds a link in a chat or a mail. Each round takes
// off one character at either end, until nothing more comes off: "(<https://host/>)." is
// "https://host/", and "> **https://host/**" is it too.
func trimmed(text string) string {
	const before, after = "<([{\"'`“‘«>*•", ">]}\"'`”’».,;:!?…*"
	text = strings.TrimFunc(text, blank)
	for text != "" {
		was := text
		r, n := utf8.DecodeRuneInString(text)
		if strings.ContainsRune(before, r) {
			text = text[n:]
		}
		r, n = utf8.DecodeLastRuneInString(text)
		switch {
		case strings.ContainsRune(after, r):
			text = text[:len(text)-n]
		case r == ')' && strings.Count(text, ")") > strings.Count(text, "("): // "build (opt)" keeps its bracket
			text = text[:len(text)-n]
		}
		if text = strings.TrimFunc(text, blank); text == was {
			break
		}
	}
	return text
}

// blank reports whether a character is a space or an invisible mark (Unicode's class Cf,
// such as a zero-width joiner), which editors and chats put around links.
func blank(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// bare reads a task id, alone or with a run: T, T/N, T.N as Treeherder writes it, or
// T/runs/N as Taskcluster's addresses end. Its second result is false for a text that is
// not of this form, such as a URL.
func bare(text string) (Link, bool, error) {
	if strings.Contains(text, ":") || len(text) < idLength {
		return Link{}, false, nil
	}
	id, run := text[:idLength], text[idLength:]
	if !slug.Valid(id) {
		return Link{}, false, nil
	}
	l := Link{Source: Taskcluster, Task: id}
	if run == "" {
		return l, true, nil
	}
	if run[0] != '/' && run[0] != '.' {
		return Link{}, false, nil
	}
	number := run[1:]
	if rest, ok := strings.CutPrefix(run, "/runs/"); ok {
		number, _, _ = strings.Cut(rest, "/")
	}
	var err error
	l.Run, err = runNumber(number)
	return l, true, err
}

// address reads an absolute URL of http or https. The errors of net/url are not passed on:
// they quote the whole text, and a secret with it.
func address(text string) (*url.URL, error) {
	if strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) >= 0 {
		return nil, invalid("there are blanks in the link, or words around it: %s", expected)
	}
	scheme, _, ok := strings.Cut(text, ":")
	if !ok || strings.ContainsAny(scheme, "/?#@") {
		return nil, invalid("%s", expected)
	}
	if s := strings.ToLower(scheme); s != "http" && s != "https" {
		return nil, invalid("%s", expected)
	}
	u, err := url.Parse(strings.ReplaceAll(text, "&amp;", "&")) // a link copied from a page's HTML
	switch {
	case err != nil:
		return nil, invalid("the link is not a valid URL: %s", expected)
	case u.User != nil:
		return nil, invalid("the link has a user name or password: leave it out")
	case u.Hostname() == "":
		return nil, invalid("the link has no host: %s", expected)
	}
	return u, nil
}

// mostShown and mostValue are how much an error shows of a link and of one value in it, in
// characters.
const (
	mostShown = 80
	mostValue = 40
)

var (
	// user matches everything up to the last @, which may be a user and a password. The @
	// may be escaped, even several times: %40, %2540, %252540.
	user = regexp.MustCompile(`(?s)^.*(?:@|%(?:25)*40)`)
	// noPort matches a URL that has something else where the port belongs:
	// https://name:secret may be a user and a password whose host was forgotten. Its group
	// is the part before, which can be shown.
	noPort = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*:/*[^/?#:\[\]]*:)[^/?#]*[^0-9/?#][^/?#]*`)
	http   = regexp.MustCompile(`(?i)^https?://`)
	before = regexp.MustCompile(`^[^:]*:`) // up to the first colon
)

// shown is a part of a link in the form that an error may show: without secrets, escaped,
// and cut to the maximum number of characters.
func shown(text string, most int) string {
	text = user.ReplaceAllString(text, "REDACTED@")
	if !http.MatchString(text) { // user:password or data:…; only what is before the colon is safe to show
		if s := before.FindString(text); s != "" {
			text = s + "…"
		}
	}
	text = noPort.ReplaceAllString(text, "${1}REDACTED")
	return cut(redact.URL(text), most)
}

// cut escapes a text without secrets and cuts it to most characters, the last of them an
// ellipsis.
func cut(text string, most int) string {
	text = job.Visible(text)
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most-1]) + "…"
	}
	return text
}
