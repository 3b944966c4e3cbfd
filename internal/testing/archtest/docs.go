package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Text is one file with its contents.
type Text struct {
	Path string // from the root, with slashes
	Body string
}

// ReadTexts reads the files under root that keep chooses by their path from the root.
// Folders that begin with a dot, and those named testdata, are left out.
func ReadTexts(root string, keep func(path string) bool) ([]Text, error) {
	var out []Text
	err := walk(root, func(name, rel string) error {
		if !keep(rel) {
			return nil
		}
		body, err := os.ReadFile(filepath.Clean(name))
		if err != nil {
			return err
		}
		out = append(out, Text{rel, string(body)})
		return nil
	})
	return out, err
}

// Documented reports whether CheckDocs reads the file: Go that others import or run. An
// example's names are nobody's to import, and a test's neither.
func Documented(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") &&
		!strings.HasPrefix(name, "examples/")
}

// CheckDocs returns a line, such as "job/push.go:12: Push has no doc comment", for each
// exported name without a doc comment, and one for each package without a package comment.
//
// A name is a type, a function, a method of an exported type or interface, or one constant
// or variable. In a group of constants or variables each needs its own, before it or at
// the end of its line: a comment of the whole group does not say what one of them means.
// Several names in one line, such as "Low, High int", share that line's comment. Fields of
// structs need none, because many names say it all.
func CheckDocs(files []Text) ([]string, error) {
	var out []string
	described := map[string]bool{} // by folder: whether a file of it has the package comment
	for _, f := range files {
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, f.Path, f.Body, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		folder := path.Dir(f.Path)
		described[folder] = described[folder] || says(parsed.Doc)
		for _, decl := range parsed.Decls {
			for _, lacking := range undocumented(decl) {
				at := fset.Position(lacking.Pos())
				out = append(out, fmt.Sprintf("%s:%d: %s has no doc comment", at.Filename, at.Line, lacking.Name))
			}
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(described)) {
		if !described[folder] {
			out = append(out, folder+": the package has no package comment")
		}
	}
	return out, nil
}

// says reports whether any of the comments has words. A directive, such as "//go:embed",
// has none: Text leaves it out.
func says(comments ...*ast.CommentGroup) bool {
	for _, c := range comments {
		if c != nil && strings.TrimSpace(c.Text()) != "" {
			return true
		}
	}
	return false
}

// undocumented are the exported names of a declaration that lack a comment.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && reachable(d.Recv) && !says(d.Doc) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var out []*ast.Ident
		for _, spec := range d.Specs {
			out = append(out, undocumentedIn(d, spec)...)
		}
		return out
	}
	return nil
}

// reachable reports whether callers see a method with this receiver: the methods of an
// unexported type are documented by the interface that they implement. No receiver is a
// function's, which callers see.
func reachable(receiver *ast.FieldList) bool {
	if receiver == nil || len(receiver.List) == 0 {
		return true
	}
	t := receiver.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr: // *T
			t = x.X
		case *ast.IndexExpr: // T[P]
			t = x.X
		case *ast.IndexListExpr: // T[P, Q]
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// undocumentedIn are the names of one line of a declaration. The comment before the word
// "type", "const" or "var" counts for a declaration without brackets alone.
func undocumentedIn(d *ast.GenDecl, spec ast.Spec) []*ast.Ident {
	whole := d.Doc
	if d.Lparen.IsValid() {
		whole = nil
	}
	var out []*ast.Ident
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && !says(whole, s.Doc, s.Comment) {
			out = append(out, s.Name)
		}
		if i, ok := s.Type.(*ast.InterfaceType); ok && s.Name.IsExported() {
			out = append(out, undocumentedMethods(i)...)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && !says(whole, s.Doc, s.Comment) {
				out = append(out, n)
			}
		}
	}
	return out
}

// undocumentedMethods are those of an interface. What it embeds has no name here.
func undocumentedMethods(i *ast.InterfaceType) []*ast.Ident {
	var out []*ast.Ident
	for _, m := range i.Methods.List {
		for _, n := range m.Names {
			if n.IsExported() && !says(m.Doc, m.Comment) {
				out = append(out, n)
			}
		}
	}
	return out
}
