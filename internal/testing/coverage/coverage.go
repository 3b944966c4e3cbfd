// Command coverage says for each package how many of its lines the tests run, and
// which they do not:
//
//	go test -coverprofile=FILE ./...
//	go run ./internal/testing/coverage FILE
//
// A line that no test runs is of one of three kinds. It only passes an error on,
// which every caller does in the same way. It says why no test runs it, in a comment
// at its end or above it that begins with "not covered:". Or it is listed, with
// -list, so that somebody writes the test.
package main

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// module is what the names of files in a profile begin with.
const module = "github.com/mozci/mozci/"

func main() {
	list := flag.Bool("list", false, "list the lines that no test runs and that do not say why")
	flag.Parse()
	if flag.NArg() != 1 {
		_, _ = fmt.Fprintln(os.Stderr, "usage: go run ./internal/testing/coverage [-list] PROFILE")
		os.Exit(2)
	}
	if err := run(os.Stdout, flag.Arg(0), os.DirFS(".").(readFS), *list); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

// readFS is where the sources are.
type readFS interface {
	ReadFile(name string) ([]byte, error)
}

func run(out io.Writer, profile string, sources readFS, list bool) error {
	in, err := os.Open(profile)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	files, err := read(in)
	if err != nil {
		return fmt.Errorf("%s: %w", profile, err)
	}
	packages := map[string]*counts{}
	var missed []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text, err := sources.ReadFile(name)
		if err != nil {
			return err
		}
		c := packages[path.Dir(name)]
		if c == nil {
			c = &counts{}
			packages[path.Dir(name)] = c
		}
		for _, n := range c.add(files[name], strings.Split(string(text), "\n")) {
			missed = append(missed, fmt.Sprintf("%s:%d", name, n))
		}
	}
	if list {
		for _, m := range missed {
			_, _ = fmt.Fprintln(out, m)
		}
	}
	return table(out, packages)
}

// counts are the lines of a package.
type counts struct{ lines, run, errors, explained, missed int }

// table prints the counts, the least covered package last.
func table(out io.Writer, packages map[string]*counts) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "package\tlines\trun\tpass an error on\tsay why not\tnot run\t")
	rows := slices.SortedFunc(maps.Keys(packages), func(a, b string) int {
		return cmp.Or(cmp.Compare(packages[a].missed, packages[b].missed), cmp.Compare(a, b))
	})
	sum := &counts{}
	for _, name := range rows {
		c := packages[name]
		row(w, name, c)
		sum.lines += c.lines
		sum.run += c.run
		sum.errors += c.errors
		sum.explained += c.explained
		sum.missed += c.missed
	}
	row(w, "all", sum)
	return w.Flush()
}

func row(w io.Writer, name string, c *counts) {
	_, _ = fmt.Fprintf(w, "%s\t%d\t%.1f%%\t%d\t%d\t%d\t\n", name, c.lines, 100*float64(c.run)/float64(max(c.lines, 1)),
		c.errors, c.explained, c.missed)
}

// block is a part of a file whose statements run together.
type block struct {
	from, to, column int // lines, and where the first begins
	ran              bool
}

var entry = regexp.MustCompile(`^(\S+):(\d+)\.(\d+),(\d+)\.\d+ \d+ (\d+)$`)

// read reads a profile, in which each test binary has its own counts.
func read(in io.Reader) (map[string][]block, error) {
	type place struct {
		file             string
		from, column, to int
	}
	ran := map[place]bool{}
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		if strings.HasPrefix(lines.Text(), "mode:") {
			continue
		}
		m := entry.FindStringSubmatch(lines.Text())
		if m == nil {
			return nil, fmt.Errorf("line %d is not of a cover profile: %.80q", n, lines.Text())
		}
		var at [3]int
		for i, text := range m[2:5] {
			at[i], _ = strconv.Atoi(text) // digits
		}
		p := place{file: strings.TrimPrefix(m[1], module), from: at[0], column: at[1], to: at[2]}
		ran[p] = ran[p] || m[5] != "0"
	}
	files := map[string][]block{}
	for p, r := range ran {
		files[p.file] = append(files[p.file], block{p.from, p.to, p.column, r})
	}
	return files, lines.Err()
}

// add counts the lines of a file, and returns those that are not run and do not say
// why.
func (c *counts) add(blocks []block, text []string) []int {
	ran, seen := map[int]bool{}, map[int]bool{}
	for _, b := range blocks {
		for n := b.from; n <= b.to; n++ {
			if code(text[n-1]) {
				seen[n] = true
				ran[n] = ran[n] || b.ran
			}
		}
	}
	c.lines += len(seen)
	var missed []int
	for _, b := range blocks {
		var own []int
		for n := b.from; n <= b.to; n++ {
			if seen[n] && !ran[n] {
				own = append(own, n)
				delete(seen, n)
			}
		}
		switch {
		case len(own) == 0:
		case explained(text, b):
			c.explained += len(own)
		case passes(text, own):
			c.errors += len(own)
		default:
			missed = append(missed, own...)
		}
	}
	for n := range seen {
		if ran[n] {
			c.run++
		}
	}
	c.missed += len(missed)
	slices.Sort(missed)
	return missed
}

// code reports whether a line has more than braces and comments.
func code(line string) bool {
	line, _, _ = strings.Cut(line, "//")
	return strings.Trim(line, " \t\r{}()") != ""
}

// explained reports whether a block says why no test runs it.
func explained(text []string, b block) bool {
	for n := max(1, b.from-1); n <= min(b.from+1, b.to); n++ {
		if _, comment, ok := strings.Cut(text[n-1], "// not covered:"); ok && strings.TrimSpace(comment) != "" {
			return true
		}
	}
	return false
}

var returnsError = regexp.MustCompile(`^return\b.*\b(err|[a-z]\w*Err)\b`)

// passes reports whether lines do nothing but return an error.
func passes(text []string, lines []int) bool {
	return !slices.ContainsFunc(lines, func(n int) bool {
		return !returnsError.MatchString(strings.TrimSpace(text[n-1]))
	})
}
