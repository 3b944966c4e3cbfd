package main
import ("testing";"context";"fmt";"github.com/mozci/mozci/job")
func BenchmarkCat(b *testing.B){
 graph := chooserGraph()
 p := job.Push{Repo: "autoland", ID: 1, Revision: fmt.Sprintf("%040x", 1)}
 t:=&testing.T{}
 project := tcProject(t, &fixed{graph: graph})
 b.Run("ours",func(b *testing.B){ for b.Loop() { if _,err:=project.Catalog(context.Background(),p);err!=nil{b.Fatal(err)} }})
 b.Run("bare",func(b *testing.B){ for b.Loop() { chooserMinimal(t,graph) }})
}
