package job_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mozci/mozci/job"
)

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"": "",
		"Bug 1 - mend a\\b “it”, é 日本語 🦊":                  "Bug 1 - mend a\\b “it”, é 日本語 🦊",
		"\x1b[31mred\x1b[0m":                               `\x1b[31mred\x1b[0m`,
		"\x1b]0;title\a":                                   `\x1b]0;title\x07`,
		"two\nlines\r\tand a tab":                          `two\nlines\r\tand a tab`,
		"\u009b31m":                                        `\u009b31m`,
		"\x9b31m":                                          `\x9b31m`, // a byte by which some terminals begin a sequence
		"a\u202eb\u2066c\u200e\u061c":                      `a\u202eb\u2066c\u200e\u061c`,
		"li\u200bnux\u200d\u2060\ufeff":                    `li\u200bnux\u200d\u2060\ufeff`,
		"a\u2028b\u2029c\u0085d\u00a0e":                    `a\u2028b\u2029c\u0085d\u00a0e`,
		"\U000E0041\U000E007F":                             `\U000e0041\U000e007f`,
		"a\ufe0fb\U000E0100\u034f\u115f\u3164\u00ad\u180e": `a\ufe0fb\U000e0100\u034f\u115f\u3164\u00ad\u180e`,
		"\x00\x7f":                                         `\x00\x7f`,
		"half \xe2\x80":                                    `half \xe2\x80`,
		"\ufffd":                                           "\ufffd",
		"\ue000\ufffe":                                     `\ue000\ufffe`,
	} {
		got := job.Visible(in)
		if got != want {
			t.Errorf("Visible(%q)\n got %s\nwant %s", in, got, want)
		}
		if again := job.Visible(got); again != got {
			t.Errorf("a second time it is %q", again)
		}
	}
}

// What a server says in an error does nothing to a terminal, and errors.Is finds what
// it did before.
func TestErrorsAreVisible(t *testing.T) {
	err := job.Wrap("op", "a\x1bb", fmt.Errorf("%w: \u202esaid\nmozci: all is well", job.ErrNotFound))
	if want := `op a\x1bb: not found: \u202esaid\nmozci: all is well`; err.Error() != want || !errors.Is(err, job.ErrNotFound) {
		t.Errorf("%q, expected %q", err, want)
	}
	err = &job.Error{Op: "op", Err: errors.Join(errors.New("a\nb"), job.Wrap("c", "", errors.New("d\x1b")))}
	if want := "op: a\\nb\nc: d\\x1b"; err.Error() != want {
		t.Errorf("%q, expected %q", err, want)
	}
	_, err = job.Lookup([]job.Runnable{{Label: "linux\x1b[2J"}}, "linux")
	if want := `not found: label "linux"; did you mean linux\x1b[2J?`; err == nil || err.Error() != want {
		t.Errorf("%v, expected %s", err, want)
	}
	err = &job.PartialError{Taken: 1, Count: 2, Err: errors.New("\x1bc")}
	if strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\x1b\u202e\xff\U000E0001")
	f.Fuzz(func(t *testing.T, in string) {
		got := job.Visible(in)
		if !utf8.ValidString(got) || job.Visible(got) != got ||
			strings.ContainsAny(got, "\x00\x1b\n\r\t\x7f\u202e\u2066\u200b\ufeff") {
			t.Errorf("Visible(%q) = %q", in, got)
		}
	})
}
