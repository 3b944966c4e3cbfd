package trychooser

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// The limits of [ParseTry], in bytes. A longer text gives job.ErrInvalid.
const (
	MaxMessage = 1 << 20 // 1 MiB for the whole text, which may be a commit message
	MaxTryLine = 4 << 10 // 4 KiB for the line of try syntax in it
)

// maxRebuild is the maximum number of runs of a test in the old try chooser.
const maxRebuild = 20

// Try is the old try syntax, as in
//
//	try: -b do -p linux64,macosx64 -u mochitest-1,xpcshell[x64] -t none
//
// read as Firefox's own parser reads it (try_option_syntax.py of the decision task). It is
// safe to share.
//
//	-b do              build types: d is debug, o is opt; debug, opt and pgo as words too
//	-p linux64,win64   platforms of builds, or all: the builds, and the tests of those
//	-u xpcshell        suites of tests, or all, or none; -t of Talos, -r of Raptor
//	-u mochitest       an alias: every suite that begins like this, variants too
//	-u xpcshell-2      chunk 2 of it; of an alias, chunk 2 of each of its suites
//	-u all[x64,-10.10] only on some test platforms; a minus takes away
//	-j eslint          other jobs, or all
//
// What is missing has Firefox's defaults: -p all, -u all, -t none, -r none, -j none, and
// no build type. Without a value -p, -u, -t and -r mean all. Of an option that comes twice
// the last one counts; each -j does.
//
// The fields hold the options that choose nothing. mozci reads them, and
// leaves them to the caller: Choose returns each label once, whatever Rebuild is.
type Try struct {
	Rebuild       int // --rebuild N: runs of each test, 1 to 20; 1 without the option
	RebuildTalos  int // --rebuild-talos N
	RebuildRaptor int // --rebuild-raptor N

	Env             []string // --setenv NAME=VALUE, or --env: each as it was written
	Tag             string   // --tag: only tests with this tag; it does not change the jobs
	Emails          string   // "all" for -e, "failure" for -f, "none" for -n
	Interactive     bool     // -i
	Profile         bool     // --gecko-profile
	NoRetry         bool     // --no-retry
	Artifact        bool     // --artifact; false again with --no-artifact
	IncludeNightly  bool     // --include-nightly: nightly platforms belong to -p all
	TaskclusterOnly bool     // -w, from the time when Buildbot ran most tests

	text       string
	types      []word
	typesSaid  bool
	platforms  []string
	unit       []testWord
	talos      []testWord
	raptor     []testWord
	jobs       []string
	unread     []string // not understood, whatever the catalog
	everywhere bool     // -p all
}

// word is a piece of try syntax: as it was written, and what it stands for.
type word struct{ said, means string }

// String returns the line of try syntax.
func (t Try) String() string { return t.text }

// ParseTry finds the line of try syntax in a text, such as a commit message. The line
// begins with "try:", anywhere in a line of the text. A text that begins with an option,
// such as -b, is taken as the line itself.
//
// Only a text without such a line, or one that is too long, gives an error,
// job.ErrInvalid. Words in the line that are not understood are reported by [Try.Choose].
func ParseTry(text string) (Try, error) {
	fail := func(format string, args ...any) (Try, error) {
		err := fmt.Errorf("%w: "+format, append([]any{job.ErrInvalid}, args...)...)
		return Try{}, job.Wrap("trychooser.try", "", err)
	}
	if len(text) > MaxMessage {
		return fail("a text of %d bytes: the maximum is %d", len(text), MaxMessage)
	}
	line, ok := tryLine(text)
	switch {
	case !ok:
		return fail("no try syntax: expected a line such as: try: -b do -p linux64 -u xpcshell -t none")
	case len(line) > MaxTryLine:
		return fail("try syntax of %d bytes: the maximum is %d", len(line), MaxTryLine)
	}
	t := Try{
		Rebuild: 1, RebuildTalos: 1, RebuildRaptor: 1,
		text:       strings.TrimSpace("try: " + strings.TrimSpace(line)),
		everywhere: true, unit: []testWord{{said: all, name: all}},
	}
	words, unclosed := splitLine(line)
	if unclosed != "" {
		t.miss("unclosed quote", unclosed)
	}
	t.read(words)
	return t, nil
}

// tryLine returns what follows "try:" in its line. If it occurs several times, the first
// one followed by an option wins, because people also write about try syntax; without
// any, the first one does.
func tryLine(text string) (string, bool) {
	const mark = "try:"
	found, line := false, ""
	for at := 0; ; {
		next := strings.Index(text[at:], mark)
		if next < 0 {
			break
		}
		begin := at + next
		at = begin + len(mark)
		if begin > 0 && isWord(text[begin-1]) { // "retry:"
			continue
		}
		rest, _, _ := strings.Cut(text[at:], "\n")
		if strings.HasPrefix(strings.TrimSpace(rest), "-") {
			return rest, true
		}
		if !found {
			found, line = true, rest
		}
	}
	if !found && strings.HasPrefix(strings.TrimSpace(text), "-") {
		line, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
		return line, true
	}
	return line, found
}

// isWord reports whether a byte can be part of a word, as \w in Python.
func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

// miss records that a word was not understood, and what it was taken for.
func (t *Try) miss(as, said string) { t.unread = append(t.unread, missed(as, said)) }

// missed names a word that was not understood: platform "linux63".
func missed(as, said string) string { return as + " " + strconv.Quote(said) }

// splitLine splits a line into words as a shell does, with quotes and backslashes. A
// space within brackets belongs to the word, as in -u all[Windows 7]. If a quote is not
// closed, it counts as closed at the end of the line, and unclosed is the line from that
// quote on.
func splitLine(line string) (words []string, unclosed string) {
	var b strings.Builder
	var quote byte
	begun, quotedAt := false, 0
	bracket := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line) && (quote == 0 || line[i+1] == '"' || line[i+1] == '\\'):
			i++
			b.WriteByte(line[i])
			begun = true
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote, quotedAt, begun = c, i, true
		case isSpace(c) && !bracket:
			if begun {
				words = append(words, b.String())
			}
			b.Reset()
			begun = false
		default:
			switch c {
			case '[': // an unclosed bracket must not swallow words
				bracket = strings.IndexByte(line[i:], ']') >= 0
			case ']':
				bracket = false
			}
			b.WriteByte(c)
			begun = true
		}
	}
	if begun {
		words = append(words, b.String())
	}
	if quote != 0 {
		unclosed = strings.TrimRight(line[quotedAt:], "\r\n\t ")
	}
	return words, unclosed
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' }
