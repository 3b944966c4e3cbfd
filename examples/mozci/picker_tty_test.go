//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// console is a pseudo-terminal: what the program has, and what a person does and sees.
type console struct {
	person, program *os.File

	mu   sync.Mutex
	seen bytes.Buffer
	news chan struct{}
	over chan struct{} // all was seen
}

func newConsole(t *testing.T) *console {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		testenv.Lacking(t, "no pseudo-terminal: %v", err)
	}
	c := &console{person: person, news: make(chan struct{}, 1), over: make(chan struct{})}
	t.Cleanup(func() { _ = person.Close() })
	var n, unlock int32
	c.ioctl(t, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	c.ioctl(t, syscall.TIOCGPTN, unsafe.Pointer(&n))
	c.ioctl(t, syscall.TIOCSWINSZ, unsafe.Pointer(&[4]uint16{24, 80}))
	if c.program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.program.Close() })
	go c.watch()
	return c
}

func (c *console) ioctl(t *testing.T, what uintptr, arg unsafe.Pointer) {
	t.Helper()
	conn, err := c.person.SyscallConn()
	if err == nil {
		controlErr := conn.Control(func(fd uintptr) {
			if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, what, uintptr(arg)); errno != 0 {
				err = errno
			}
		})
		if err == nil {
			err = controlErr
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// watch keeps what the program draws, until the terminal is closed.
func (c *console) watch() {
	defer close(c.over)
	part := make([]byte, 4096)
	for {
		n, err := c.person.Read(part)
		c.mu.Lock()
		c.seen.Write(part[:n])
		c.mu.Unlock()
		select {
		case c.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (c *console) screen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.String()
}

// all is everything that was drawn, once the program has ended.
func (c *console) all() string {
	_ = c.program.Close()
	<-c.over
	return c.screen()
}

// until waits until the program has drawn a text. That is of use for the first screen
// alone: of later ones only what differs is drawn.
func (c *console) until(t *testing.T, text string) {
	t.Helper()
	late := time.After(5 * time.Minute)
	for !strings.Contains(c.screen(), text) {
		select {
		case <-c.news:
		case <-late:
			t.Fatalf("%q was not drawn in\n%q", text, c.screen())
		}
	}
}

// session runs the program at a terminal, and returns its end.
func (c *console) session(ctx context.Context, t *testing.T, args ...string) (wait func() (out string, status int)) {
	t.Helper()
	t.Chdir(testenv.Root(t))
	var out bytes.Buffer
	done := make(chan int, 1)
	go func() { done <- run(ctx, args, c.program, &out, c.program) }()
	return func() (string, int) {
		select {
		case status := <-done:
			return out.String(), status
		case <-time.After(5 * time.Minute):
			t.Fatalf("it does not end; the screen is\n%q", c.screen())
			return "", 0
		}
	}
}

var chooser = []string{"trychooser", "--allthethings", "examples/mozci/testdata/allthethings.json"}

// On a terminal one chooses by hand; what is taken goes to standard output, and nothing
// else does, so that another program can read it.
func TestPickOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	c := newConsole(t)
	wait := c.session(t.Context(), t, chooser...)
	c.until(t, "13 of 13 jobs")
	_, _ = io.WriteString(c.person, "mochi ubuntu\t\t\r")
	out, status := wait()
	want := "Ubuntu VM 12.04 x64 try debug test mochitest-1\nUbuntu VM 12.04 x64 try opt test mochitest-1\n"
	if out != want || status != 0 {
		t.Errorf("exit %d, %q, expected %q", status, out, want)
	}
	drawn := c.all()
	for _, m := range sgr.FindAllStringSubmatch(drawn, -1) {
		for part := range strings.SplitSeq(m[1], ";") {
			if part != "" && !slices.Contains([]string{"0", "1", "2", "22", "36", "39"}, part) {
				t.Errorf("the terminal gets %q", m[0])
			}
		}
	}
	if !strings.Contains(drawn, "\x1b[36m") {
		t.Error("without colour")
	}
	restored(t, drawn)
}

// restored fails the test where the terminal does not get back what was on it.
func restored(t *testing.T, drawn string) {
	t.Helper()
	if on, off := strings.Index(drawn, "\x1b[?1049h"), strings.LastIndex(drawn, "\x1b[?1049l"); on < 0 || off < on {
		t.Errorf("what was on the terminal before is not there again: %d, %d", on, off)
	}
}

// Without colour, and when the program is told to end.
func TestPickIsEnded(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "1")
	ctx, end := context.WithCancel(t.Context())
	c := newConsole(t)
	wait := c.session(ctx, t, chooser...)
	c.until(t, "13 of 13 jobs")
	_, _ = io.WriteString(c.person, "\t\t")
	end()
	if out, status := wait(); out != "" || status != 1 {
		t.Errorf("exit %d, %q", status, out)
	}
	drawn := c.all()
	restored(t, drawn)
	for _, m := range sgr.FindAllStringSubmatch(drawn, -1) {
		if m[1] != "" && m[1] != "0" {
			t.Errorf("the terminal gets %q", m[0])
		}
	}
}

// One can leave, take a file for mach try, and do without the picker.
func TestPickAnotherWay(t *testing.T) {
	for _, c := range []struct {
		name, term, see, keys string
		args                  []string
		want                  string
		status                int
	}{
		{"Escape", "xterm", "13 of 13", "\x1b", chooser, "", 3},
		{"Ctrl+C", "xterm", "13 of 13", "\x03", chooser, "", 3},
		{"try_task_config.json", "xterm", "3 of 3", "xpc\r", []string{
			"trychooser", "--world", "testdata/worlds/permanent.txt", "--try-task-config",
		}, `"linux64/opt/xpcshell-1"`, 0},
		{"a terminal that cannot draw", "dumb", "", "", chooser, `"Linux x86-64 try build": [`, 0},
		{"JSON", "xterm", "", "", append([]string{"--json"}, chooser...), `"Linux x86-64 try build": [`, 0},
		{
			"a choice", "xterm", "", "", append([]string{"--query", "tp5o"}, chooser...),
			"Ubuntu HW 12.04 x64 try talos tp5o\n", 0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("TERM", c.term)
			term := newConsole(t)
			wait := term.session(t.Context(), t, c.args...)
			if c.see != "" {
				term.until(t, c.see)
				_, _ = io.WriteString(term.person, c.keys)
			}
			out, status := wait()
			if !strings.Contains(out, c.want) || c.want == "" && out != "" || status != c.status {
				t.Errorf("exit %d, expected %d: %q", status, c.status, out)
			}
			if drawn := term.all(); c.see == "" && drawn != "" || strings.Contains(drawn, "mozci:") {
				t.Errorf("this was drawn: %q", drawn)
			}
		})
	}
}

// On a terminal a search is a block that is drawn again and again and is gone when the
// answer stands there; on one that cannot redraw it is a line for each round.
func TestSearchOnATerminal(t *testing.T) {
	args := []string{
		"culprit", "--world", "testdata/worlds/intermittent.txt", "--label", "linux64/opt/mochitest-2", "--rev", "tip",
		"--yes",
	}
	t.Setenv("TERM", "xterm-256color")
	c := newConsole(t)
	out, status := c.session(t.Context(), t, args...)()
	drawn := c.all()
	if status != 0 || !strings.Contains(out, "Push 37 broke it: 98% sure.") || strings.Contains(out, "round") &&
		!strings.Contains(out, "rounds") {
		t.Errorf("exit %d\n%s", status, out)
	}
	if !strings.Contains(drawn, "of about ") || !strings.HasSuffix(drawn, "\x1b[J") {
		t.Errorf("the block is not drawn, or not erased at the end: %q", drawn)
	}
	t.Setenv("TERM", "dumb")
	c = newConsole(t)
	if _, status = c.session(t.Context(), t, args...)(); status != 0 {
		t.Errorf("exit %d", status)
	}
	drawn = c.all()
	if strings.Contains(drawn, "\x1b") || !strings.Contains(drawn, "1 round, 4 runs: most probable push") {
		t.Errorf("%q", drawn)
	}
}

// A person at a terminal is asked; without a yes nothing is triggered.
func TestQuestionOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	for answer, says := range map[string]string{"y\n": "4 runs triggered.", "n\n": ""} {
		c := newConsole(t)
		wait := c.session(t.Context(), t, "backfill", "--world", "testdata/worlds/permanent.txt", "--label",
			"linux64/opt/xpcshell-1", "--rev", "tip")
		c.until(t, "Trigger them now? [y/N] ")
		_, _ = io.WriteString(c.person, answer)
		out, status := wait()
		if status != 0 || !strings.Contains(out, "Nothing was triggered yet.") || !strings.Contains(out, says) ||
			says == "" && strings.Contains(out, "runs triggered.") {
			t.Errorf("%q: exit %d\n%s", answer, status, out)
		}
	}
}

// Ctrl+C at the question ends the program at once: nothing is triggered.
func TestQuestionIsLeft(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	for _, command := range []string{"backfill", "culprit"} {
		ctx, end := context.WithCancel(t.Context())
		c := newConsole(t)
		wait := c.session(ctx, t, command, "--world", "testdata/worlds/permanent.txt", "--label",
			"linux64/opt/xpcshell-1", "--rev", "tip")
		c.until(t, "[y/N] ")
		end()
		if out, status := wait(); status != 1 || strings.Contains(out, "runs triggered.") {
			t.Errorf("%s: exit %d\n%s", command, status, out)
		}
		c.until(t, "[y/N] \r\n")
		_, _ = io.WriteString(c.person, "y\n") // too late; it ends the read of the terminal
	}
}
