// Command pulumi-resource-random is the provider plugin that the npm package @pulumi/random talks to: the Terraform
// provider for random values behind Pulumi's bridge.
package main

import (
	"context"
	"unicode"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	bridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	property "github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-random/shim"
)

// version is that of the npm package; the build sets it, because the CLI looks a plugin up by its exact version.
var version = "0.0.0"

func main() {
	schema := `{"name":"random","version":"` + version + `"}`
	tfbridge.Main(context.Background(), "random", provider(), tfbridge.ProviderMetadata{PackageSchema: []byte(schema)})
}

func provider() bridge.ProviderInfo {
	return bridge.ProviderInfo{
		P:       tfbridge.ShimProvider(shim.NewProvider()),
		Name:    "random",
		Version: version,
		Resources: map[string]*bridge.ResourceInfo{
			"random_bytes":    {Tok: resource("RandomBytes"), ComputeID: idOfBytes},
			"random_id":       {Tok: resource("RandomId")},
			"random_integer":  {Tok: resource("RandomInteger")},
			"random_password": {Tok: resource("RandomPassword")},
			"random_pet":      {Tok: resource("RandomPet")},
			"random_shuffle":  {Tok: resource("RandomShuffle")},
			"random_string":   {Tok: resource("RandomString")},
			"random_uuid":     {Tok: resource("RandomUuid")},
			"random_uuid4":    {Tok: resource("RandomUuid4")},
			"random_uuid7":    {Tok: resource("RandomUuid7")},
		},
		// The framework half of the bridge keeps notes here while it generates SDKs; at run time none are needed.
		MetadataInfo: bridge.NewProviderMetadata([]byte("{}")),
	}
}

// idOfBytes is needed because random_bytes is the one resource without an attribute named id. The value is the one that
// random_password has; the bytes themselves, which the official plugin takes, would be a secret in plain text.
func idOfBytes(context.Context, property.PropertyMap) (property.ID, error) {
	return "none", nil
}

// resource gives the type token of the class of that name in the npm package.
func resource(name string) tokens.Type {
	file := string(unicode.ToLower(rune(name[0]))) + name[1:]
	return tokens.Type("random:index/" + file + ":" + name)
}
