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

// trimmed is the text without what stands around a link in a chat or a mail.
func trimmed(text string) string {
	const before, after = "<([{\"'`“‘«", ">]}\"'`”’».,;:!?…"
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
		case r == ')' && strings.Count(text, ")") > strings.Count(text, "("): // a builder's name may end with one
			text = text[:len(text)-n]
		}
		if text = strings.TrimFunc(text, blank); text == was {
			break
		}
	}
	return text
}

// blank reports whether a character leaves no mark, as those do that editors and chats
// put around a link.
func blank(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// bare reads a task id, alone or with a run: T, T/N, or T.N as Treeherder writes it.
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
	var err error
	l.Run, err = runNumber(run[1:])
	return l, true, err
}

// address reads an absolute URL. What net/url says about one that is none is not
// repeated: it quotes the text.
func address(text string) (*url.URL, error) {
	if strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) >= 0 {
		return nil, invalid("there are blanks in the link: %s", expected)
	}
	scheme, _, ok := strings.Cut(text, ":")
	if !ok || strings.ContainsAny(scheme, "/?#@") {
		return nil, invalid("%s", expected)
	}
	if s := strings.ToLower(scheme); s != "http" && s != "https" {
		return nil, invalid("%s", expected)
	}
	u, err := url.Parse(strings.ReplaceAll(text, "&amp;", "&")) // copied from a page's source
	switch {
	case err != nil:
		return nil, invalid("it is no URL that can be read: %s", expected)
	case u.User != nil:
		return nil, invalid("a link with a user name or password is not taken: leave them out")
	case u.Hostname() == "":
		return nil, invalid("there is no host in it: %s", expected)
	}
	return u, nil
}

// How much of a link and of one thing in it an error shows, in characters.
const (
	mostShown = 80
	mostValue = 40
)

var (
	// user is all that may be a user and password, and the sign after it.
	user = regexp.MustCompile(`(?s)^.*(?:@|%(?:25)*40)`)
	// noPort is what stands where a port does and is none: a password whose host was
	// forgotten, perhaps.
	noPort = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*:/*[^/?#:\[\]]*:)[^/?#]*[^0-9/?#][^/?#]*`)
	http   = regexp.MustCompile(`(?i)^https?://`)
	before = regexp.MustCompile(`^[^:]*:`)
)

// shown is a text of a link as an error may have it: without secrets, escaped, and cut.
func shown(text string, most int) string {
	text = user.ReplaceAllString(text, "REDACTED@")
	if !http.MatchString(text) { // user:password, say, or data:
		if s := before.FindString(text); s != "" {
			text = s + "…"
		}
	}
	text = noPort.ReplaceAllString(text, "${1}REDACTED")
	return cut(redact.URL(text), most)
}

// cut is a text that holds no secret, escaped, and of at most so many characters.
func cut(text string, most int) string {
	text = job.Visible(text)
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most-1]) + "…"
	}
	return text
}
