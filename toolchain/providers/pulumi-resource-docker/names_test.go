package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

// npmPackage holds the type declarations of @pulumi/docker, installed by `npm ci` in the project's folder.
const npmPackage = "../../../node_modules/@pulumi/docker"

// TestNamesAreThoseOfTheNpmPackage compares every property of every resource, nested ones too: the bridge makes names and
// shapes (one or many) by rules of its own, and a property that it calls differently would be lost without a word.
func TestNamesAreThoseOfTheNpmPackage(t *testing.T) {
	if _, err := os.Stat(npmPackage); err != nil {
		t.Skip("needs node_modules: ", err)
	}
	nested := readInterfaces(t, "types/input.d.ts")
	info := provider()
	for name, resource := range info.Resources {
		class := string(resource.Tok.Name())
		file := strings.ToLower(class[:1]) + class[1:] + ".d.ts"
		state, found := readInterfaces(t, file)[class+"State"]
		if !found {
			t.Errorf("%s declares no %sState", file, class)
		}
		compare(t, class, state, nested, info.P.ResourcesMap().Get(name).Schema(), resource.Fields)
	}
}

// properties maps the name of a property to its TypeScript type.
type properties map[string]string

func compare(
	t *testing.T, path string, declared properties, nested map[string]properties,
	schema shim.SchemaMap, fields map[string]*tfbridge.SchemaInfo,
) {
	known := map[string]shim.Schema{}
	schema.Range(func(key string, value shim.Schema) bool {
		known[tfbridge.TerraformToPulumiNameV2(key, schema, fields)] = value
		return true
	})
	for name, typescript := range declared {
		at := path + "." + name
		property, found := known[name]
		if !found {
			t.Errorf("%s is unknown to the plugin", at)
			continue
		}
		list := property.Type() == shim.TypeList || property.Type() == shim.TypeSet
		if many := list && !tfbridge.IsMaxItemsOne(property, nil); many != strings.Contains(typescript, "[]") {
			t.Errorf("%s: the plugin has many = %t, the package %s", at, many, typescript)
		}
		element, isObject := property.Elem().(shim.Resource)
		if match := nestedType.FindStringSubmatch(typescript); (match != nil) != isObject {
			t.Errorf("%s: the plugin has an object = %t, the package %s", at, isObject, typescript)
		} else if isObject {
			compare(t, at, nested[match[1]], nested, element.Schema(), nil)
		}
	}
}

var (
	interfaceBlock = regexp.MustCompile(`(?ms)^export interface (\w+) \{\n(.*?)^\}`)
	propertyLine   = regexp.MustCompile(`(?ms)^    (\w+)\??: (.*?);\n`)
	nestedType     = regexp.MustCompile(`inputs\.(\w+)`)
)

func readInterfaces(t *testing.T, file string) map[string]properties {
	text, err := os.ReadFile(filepath.Join(npmPackage, file))
	if err != nil {
		t.Fatal(err)
	}
	interfaces := map[string]properties{}
	for _, block := range interfaceBlock.FindAllStringSubmatch(string(text), -1) {
		declared := properties{}
		for _, property := range propertyLine.FindAllStringSubmatch(block[2], -1) {
			declared[property[1]] = property[2]
		}
		interfaces[block[1]] = declared
	}
	return interfaces
}
