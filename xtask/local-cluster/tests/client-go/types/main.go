// Command types prints the table of types that the lab's schema is read from
// (src/schema/types.json), out of the struct tags and markers of Kubernetes' own
// Go sources: JSON names, protobuf numbers, merge keys, list types.
//
//	go run ./types > ../../src/schema/types.json
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// A goPackage is where types come from and what OpenAPI calls them. A name that
// several packages have is the first one's, unless the user's own package has it.
type goPackage struct{ module, folder, name string }

var packages = []goPackage{
	{"k8s.io/apimachinery", "pkg/apis/meta/v1", "io.k8s.apimachinery.pkg.apis.meta.v1"},
	{"k8s.io/api", "core/v1", "io.k8s.api.core.v1"},
	{"k8s.io/api", "apps/v1", "io.k8s.api.apps.v1"},
	{"k8s.io/api", "networking/v1", "io.k8s.api.networking.v1"},
	{"k8s.io/api", "rbac/v1", "io.k8s.api.rbac.v1"},
	{"k8s.io/api", "autoscaling/v1", "io.k8s.api.autoscaling.v1"},
	{"k8s.io/api", "authentication/v1", "io.k8s.api.authentication.v1"},
	{"k8s.io/api", "authorization/v1", "io.k8s.api.authorization.v1"},
	{"k8s.io/apiextensions-apiserver", "pkg/apis/apiextensions/v1", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"},
}

// What the lab serves or reads, each with its group and version.
var roots = map[string]string{
	"ConfigMap": "v1", "Endpoints": "v1", "Event": "v1", "Namespace": "v1", "Node": "v1", "Pod": "v1",
	"Secret": "v1", "Service": "v1", "ServiceAccount": "v1",
	"Deployment": "apps/v1", "ReplicaSet": "apps/v1",
	"Ingress":                  "networking.k8s.io/v1",
	"Role":                     "rbac.authorization.k8s.io/v1",
	"RoleBinding":              "rbac.authorization.k8s.io/v1",
	"ClusterRole":              "rbac.authorization.k8s.io/v1",
	"ClusterRoleBinding":       "rbac.authorization.k8s.io/v1",
	"Scale":                    "autoscaling/v1",
	"CustomResourceDefinition": "apiextensions.k8s.io/v1",
	"SelfSubjectReview":        "authentication.k8s.io/v1",
	"SelfSubjectAccessReview":  "authorization.k8s.io/v1",
	"SelfSubjectRulesReview":   "authorization.k8s.io/v1",
	"DeleteOptions":            "v1",
}

// Types that are not what their struct says: they have their own JSON.
var leaves = map[string]string{
	"Quantity": "Quantity", "IntOrString": "IntOrString", "Time": "Time", "MicroTime": "MicroTime",
	"RawExtension": "Raw", "JSON": "Raw", "FieldsV1": "Raw",
	"JSONSchemaProps": "Raw",
}

// Types that nobody who asks the lab uses: what there is no room for on one machine without
// volumes of its own. A field of such a type is unknown to the lab.
var left = strings.Fields(`
	AWSElasticBlockStoreVolumeSource AzureDiskVolumeSource AzureFileVolumeSource CephFSVolumeSource
	CinderVolumeSource CSIVolumeSource EphemeralVolumeSource FCVolumeSource FlexVolumeSource
	FlockerVolumeSource GCEPersistentDiskVolumeSource GitRepoVolumeSource GlusterfsVolumeSource
	ImageVolumeSource ISCSIVolumeSource NFSVolumeSource PersistentVolumeClaimVolumeSource
	PhotonPersistentDiskVolumeSource PortworxVolumeSource QuobyteVolumeSource RBDVolumeSource
	ScaleIOVolumeSource StorageOSVolumeSource VsphereVirtualDiskVolumeSource VolumeDevice
	ClusterTrustBundleProjection PodCertificateProjection FileKeySelector
	ContainerExtendedResourceRequest ContainerResizePolicy ContainerRestartRule ContainerUser
	EphemeralContainer PodExtendedResourceClaimStatus PodOS PodResourceClaim PodResourceClaimStatus
	PodSchedulingGate ResourceClaim ResourceStatus SELinuxOptions Sysctl VolumeMountStatus
	WindowsSecurityContextOptions
	AttachedVolume ContainerImage NodeConfigSource NodeConfigStatus NodeDaemonEndpoints NodeFeatures
	NodeRuntimeHandler NodeSwapStatus
	PortStatus IngressPortStatus TypedLocalObjectReference
	FieldSelectorAttributes LabelSelectorAttributes
	SelectableField WebhookConversion
`)

type definition struct {
	pkg   int
	spec  *ast.TypeSpec
	doc   string
	count int
}

var definitions = map[string]map[int]*definition{}

func main() {
	for index, pkg := range packages {
		load(index, pkg)
	}
	wanted := map[string]bool{}
	for root := range roots {
		visit(root, -1, wanted)
	}
	names := make([]string, 0, len(wanted))
	for name := range wanted {
		names = append(names, name)
	}
	sort.Strings(names)
	for index, name := range names {
		fmt.Printf("%s%s: ", separator(index), text(name))
		write(name, find(name, -1))
	}
	fmt.Println("}")
}

// A field, as src/schema/types.rs reads it.
type field struct {
	Name    string          `json:"name,omitempty"`
	Number  int             `json:"number,omitempty"`
	Of      string          `json:"of"`
	Inline  bool            `json:"inline,omitempty"`
	Pointer bool            `json:"pointer,omitempty"`
	Always  bool            `json:"always,omitempty"`
	Merge   bool            `json:"merge,omitempty"`
	Key     string          `json:"key,omitempty"`
	List    any             `json:"list,omitempty"`
	Atomic  bool            `json:"atomic,omitempty"`
	Default json.RawMessage `json:"default,omitempty"`
}

func separator(index int) string {
	if index == 0 {
		return "{\n"
	}
	return ",\n"
}

func text(value any) string {
	line, err := json.Marshal(value)
	check(err)
	return string(line)
}

func load(index int, pkg goPackage) {
	files, err := filepath.Glob(filepath.Join(folder(pkg.module), pkg.folder, "*.go"))
	check(err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "zz_generated") || strings.Contains(name, "generated.pb") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		check(err)
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok || general.Tok != token.TYPE {
				continue
			}
			for _, spec := range general.Specs {
				spec := spec.(*ast.TypeSpec)
				if definitions[spec.Name.Name] == nil {
					definitions[spec.Name.Name] = map[int]*definition{}
				}
				definitions[spec.Name.Name][index] = &definition{pkg: index, spec: spec, doc: general.Doc.Text() + rawDoc(general.Doc)}
			}
		}
	}
}

var folders = map[string]string{}

// folder is where a module is read, in the version of go.mod. It is fetched, and never compiled, which
// takes a minute.
func folder(module string) string {
	if known, ok := folders[module]; ok {
		return known
	}
	// What goes wrong is said in the document, too.
	out, _ := exec.Command("go", "mod", "download", "-json", module).Output()
	var fetched struct{ Dir, Error string }
	check(json.Unmarshal(out, &fetched))
	if fetched.Error != "" {
		fail("%s", fetched.Error)
	}
	folders[module] = fetched.Dir
	return fetched.Dir
}

// find resolves a name: in the package that uses it first, then in the first that has it.
func find(name string, from int) *definition {
	byPackage := definitions[name]
	if def, ok := byPackage[from]; ok {
		return def
	}
	for index := range packages {
		if def, ok := byPackage[index]; ok {
			return def
		}
	}
	return nil
}

func visit(name string, from int, wanted map[string]bool) {
	if _, leaf := leaves[name]; leaf || slices.Contains(left, name) {
		return
	}
	def := find(name, from)
	if def == nil {
		return
	}
	structure, ok := def.spec.Type.(*ast.StructType)
	if !ok {
		if named := baseName(def.spec.Type); named != "" {
			visit(named, def.pkg, wanted)
		}
		return
	}
	if wanted[name] {
		if first := find(name, -1); first != def {
			fail("two types called %s", name)
		}
		return
	}
	wanted[name] = true
	if first := find(name, -1); first != def {
		fail("two types called %s", name)
	}
	for _, field := range structure.Fields.List {
		if named := baseName(field.Type); named != "" && named != "TypeMeta" {
			visit(named, def.pkg, wanted)
		}
	}
}

func baseName(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.Ident:
		return expr.Name
	case *ast.StarExpr:
		return baseName(expr.X)
	case *ast.SelectorExpr:
		return expr.Sel.Name
	case *ast.ArrayType:
		return baseName(expr.Elt)
	case *ast.MapType:
		return baseName(expr.Value)
	}
	return ""
}

func write(name string, def *definition) {
	fmt.Print("{")
	if groupVersion, ok := roots[name]; ok {
		fmt.Printf("\"groupVersion\": %s, ", text(groupVersion))
	}
	if marker(def.doc, "structType") == "atomic" || marker(def.doc, "mapType") == "atomic" {
		fmt.Print("\"atomic\": true, ")
	}
	fmt.Print("\"fields\": [")
	count := 0
	for _, it := range def.spec.Type.(*ast.StructType).Fields.List {
		if it.Tag == nil {
			continue
		}
		tag := reflect.StructTag(strings.Trim(it.Tag.Value, "`"))
		names := strings.Split(tag.Get("json"), ",")
		if baseName(it.Type) == "TypeMeta" || names[0] == "-" || slices.Contains(left, baseName(it.Type)) {
			continue
		}
		field := field{Of: typeName(it.Type, def.pkg), Inline: len(names) > 1 && names[1] == "inline"}
		if parts := strings.Split(tag.Get("protobuf"), ","); len(parts) > 1 {
			number, err := strconv.Atoi(parts[1])
			check(err)
			field.Number = number
		}
		if !field.Inline {
			doc := rawDoc(it.Doc)
			field.Name = names[0]
			_, field.Pointer = it.Type.(*ast.StarExpr)
			field.Always = len(names) == 1 || names[1] != "omitempty"
			field.Merge = slices.Contains(strings.Split(tag.Get("patchStrategy"), ","), "merge")
			field.Key = tag.Get("patchMergeKey")
			field.Atomic = marker(doc, "structType") == "atomic" || marker(doc, "mapType") == "atomic"
			switch kind := marker(doc, "listType"); {
			case kind == "map":
				field.List = map[string][]string{"map": markers(doc, "listMapKey")}
			case kind == "set":
				field.List = kind
			case kind == "atomic":
				field.Atomic = true
			case !field.Merge || !strings.HasPrefix(field.Of, "["):
				// A list is atomic unless something else is said.
			case field.Key != "":
				// Lists that older types mark for strategic merge only are owned the same way.
				field.List = map[string][]string{"map": {field.Key}}
			default:
				field.List = "set"
			}
			if value := marker(doc, "default"); value != "" && !strings.HasPrefix(value, "ref(") {
				field.Default = json.RawMessage(value)
			}
		}
		if count > 0 {
			fmt.Print(",")
		}
		fmt.Printf("\n  %s", text(field))
		count++
	}
	fmt.Print("]}")
}

func typeName(expr ast.Expr, pkg int) string {
	switch expr := expr.(type) {
	case *ast.StarExpr:
		return typeName(expr.X, pkg)
	case *ast.SelectorExpr:
		return named(expr.Sel.Name, pkg)
	case *ast.Ident:
		return named(expr.Name, pkg)
	case *ast.ArrayType:
		if elem, ok := expr.Elt.(*ast.Ident); ok && elem.Name == "byte" {
			return "bytes"
		}
		return "[" + typeName(expr.Elt, pkg) + "]"
	case *ast.MapType:
		return "{" + typeName(expr.Value, pkg) + "}"
	}
	fail("a type of a shape that this program does not know")
	return ""
}

func named(name string, pkg int) string {
	if leaf, ok := leaves[name]; ok {
		return leaf
	}
	switch name {
	case "string", "int32", "int64", "bool":
		return name
	case "UID": // of a package that has nothing else for us
		return "string"
	case "float64":
		return "double"
	}
	def := find(name, pkg)
	if def == nil {
		fail("no type called %s", name)
	}
	if _, ok := def.spec.Type.(*ast.StructType); ok {
		return name
	}
	return typeName(def.spec.Type, def.pkg)
}

func rawDoc(doc *ast.CommentGroup) string {
	if doc == nil {
		return ""
	}
	var text strings.Builder
	for _, line := range doc.List {
		text.WriteString(strings.TrimSpace(strings.TrimPrefix(line.Text, "//")) + "\n")
	}
	return text.String()
}

func marker(doc, name string) string {
	if all := markers(doc, name); len(all) > 0 {
		return all[0]
	}
	return ""
}

func markers(doc, name string) []string {
	var found []string
	for _, line := range strings.Split(doc, "\n") {
		if value, ok := strings.CutPrefix(line, "+"+name+"="); ok {
			found = append(found, strings.TrimSpace(value))
		}
	}
	return found
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
