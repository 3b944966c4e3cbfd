package joinlog_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mozci/mozci/internal/joinlog"
)

func of(head, text string) joinlog.Part {
	return joinlog.Part{Head: head, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)),
			nil
	}}
}

func TestJoin(t *testing.T) {
	for _, c := range []struct {
		parts []joinlog.Part
		want  string
	}{
		{nil, ""},
		{[]joinlog.Part{of("", "a\nb")}, "a\nb"}, // nothing comes after it
		{[]joinlog.Part{of("", "a\nb"), of("", "c\n"), of("", "d")}, "a\nb\nc\nd"},
		{[]joinlog.Part{of("one", "a"), of("two", "b\n"), of("three", "")}, "one\na\ntwo\nb\nthree\n"},
		{[]joinlog.Part{of("", ""), of("", "a")}, "a"},
	} {
		if err := iotest.TestReader(joinlog.New(c.parts...), []byte(c.want)); err != nil {
			t.Errorf("%q: %v", c.want, err)
		}
	}
}

func TestPlace(t *testing.T) {
	r := joinlog.New(of("one", "a\nb"), of("two", "c\n"))
	if _, err := io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[int]string{1: "-", 2: "0:1", 3: "0:2", 4: "-", 5: "1:1", 0: "-"} {
		got := "-"
		if part, own, ok := r.Place(line); ok {
			got = string(rune('0'+part)) + ":" + string(rune('0'+own))
		}
		if got != want {
			t.Errorf("line %d is %s, want %s", line, got, want)
		}
	}
}

func TestFailingPart(t *testing.T) {
	broken := errors.New("gone")
	r := joinlog.New(of("", "a"), joinlog.Part{Open: func() (io.ReadCloser, error) { return nil, broken }}, of("", "b"))
	text, err := io.ReadAll(r)
	if string(text) != "a" || !errors.Is(err, broken) {
		t.Errorf("%q, %v", text, err)
	}
	torn := joinlog.Part{Open: func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(broken)), nil }}
	if _, err := io.ReadAll(joinlog.New(torn, of("", "b"))); !errors.Is(err, broken) {
		t.Errorf("a part that cannot be read: %v", err)
	}
}
