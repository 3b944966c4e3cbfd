package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// stiff are words that people should not read in a help, a page or the README: they count
// without a number, hide who acts, or say "ask" of what triggers. Any space between two of
// them counts, so a line break hides nothing; "for whose" is another word.
var stiff = regexp.MustCompile(`(?i)\b(so\s+many|nobody|for\s+who|is\s+to\s+have|ask(ed)?\s+for)\b`)

// Readable reports whether CheckWords reads the file: the programs of examples, whose
// texts are help and tables, the README, and the backfill service with the templates and
// scripts of its page and the description of its API.
func Readable(name string) bool {
	if slices.Contains(documents, name) || strings.HasPrefix(name, "backfill/server/") &&
		path.Base(name) == "openapi.json" {
		return true
	}
	switch path.Ext(name) {
	case ".go":
		return !strings.HasSuffix(name, "_test.go") &&
			(strings.HasPrefix(name, "examples/") || path.Dir(name) == "backfill/server")
	case ".html", ".js":
		return path.Base(path.Dir(name)) == "page"
	}
	return false
}

// documents are the Markdown files for users.
var documents = []string{"README.md", "examples/mozci/README.md", "BENCHMARKS.md"}

// CheckWords returns a line, such as `README.md:12: "so many"`, for each use of the words
// that people should not read. Of a Go file it reads the string literals, and those that
// "+" joins as one text; of other files everything.
func CheckWords(files []Text) ([]string, error) {
	var out []string
	for _, f := range files {
		texts := []passage{{piece{line: 1, text: f.Body}}}
		if strings.HasSuffix(f.Path, ".go") {
			var err error
			if texts, err = literals(f); err != nil {
				return nil, err
			}
		}
		for _, t := range texts {
			all := t.String()
			for _, at := range stiff.FindAllStringIndex(all, -1) {
				found := strings.Join(strings.Fields(all[at[0]:at[1]]), " ")
				out = append(out, fmt.Sprintf("%s:%d: %q", f.Path, t.line(at[0]), found))
			}
		}
	}
	return out, nil
}

// piece is a part of a text and the line of the file that it begins on.
type piece struct {
	line int
	text string
	flat bool // all of it is on that line, whatever line breaks "\n" it stands for
}

// passage is a text that people read as one, in the pieces that the file has of it.
type passage []piece

func (p passage) String() string {
	var b strings.Builder
	for _, one := range p {
		b.WriteString(one.text)
	}
	return b.String()
}

// line is the file's line of the byte at offset, from 0. Of the pieces {line 7, "so "} and
// {line 8, "many"}, offsets 0 to 2 are on line 7, and 3 to 6 on line 8.
func (p passage) line(offset int) int {
	for _, one := range p {
		if offset >= len(one.text) {
			offset -= len(one.text)
			continue
		}
		if one.flat {
			return one.line
		}
		return one.line + strings.Count(one.text[:offset], "\n")
	}
	return 0
}

// literals are the texts of a Go file. Import paths and struct tags are literals too, and
// no text that people read.
func literals(f Text) ([]passage, error) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, f.Path, f.Body, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var out []passage
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			x.Tag = nil
		case *ast.BinaryExpr:
			if joined, ok := join(fset, x); ok {
				out = append(out, joined)
				return false // its parts were read as one
			}
		case *ast.BasicLit:
			if one, ok := literal(fset, x); ok {
				out = append(out, passage{one})
			}
		}
		return true
	})
	return out, nil
}

// join is the text of an expression such as "so " + "many", of literals alone. Where
// another value is among them, as in "so " + n + " runs", it gives false: the parts are
// read one by one.
func join(fset *token.FileSet, e ast.Expr) (passage, bool) {
	switch x := e.(type) {
	case *ast.ParenExpr:
		return join(fset, x.X)
	case *ast.BasicLit:
		one, ok := literal(fset, x)
		return passage{one}, ok
	case *ast.BinaryExpr:
		left, ok := join(fset, x.X)
		right, also := join(fset, x.Y)
		return slices.Concat(left, right), x.Op == token.ADD && ok && also
	}
	return nil, false
}

// literal is a string literal as a piece; it gives false for a number or a rune.
func literal(fset *token.FileSet, l *ast.BasicLit) (piece, bool) {
	if l.Kind != token.STRING {
		return piece{}, false
	}
	text, err := strconv.Unquote(l.Value)
	return piece{fset.Position(l.Pos()).Line, text, l.Value[0] == '"'}, err == nil
}
