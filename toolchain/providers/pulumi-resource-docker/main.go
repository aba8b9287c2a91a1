// Command pulumi-resource-docker is the provider plugin that the npm package @pulumi/docker talks to: the Terraform
// provider for Docker behind Pulumi's bridge.
//
// Unlike the official plugin it has no docker.Image (that one is not bridged), and it does not ping the engine before
// a preview.
package main

import (
	"fmt"
	"unicode"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-docker/shim"
)

// version is that of the npm package; the build sets it, because the CLI looks a plugin up by its exact version.
var version = "0.0.0"

func main() {
	schema := fmt.Sprintf(`{"name":"docker","version":%q}`, version)
	tfbridge.Main("docker", version, provider(), []byte(schema))
}

type fields = map[string]*tfbridge.SchemaInfo

func provider() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:       shimv2.NewProvider(shim.NewProvider(version)),
		Name:    "docker",
		Version: version,
		Resources: map[string]*tfbridge.ResourceInfo{
			"docker_buildx_builder": {Tok: resource("BuildxBuilder")},
			"docker_config":         {Tok: resource("ServiceConfig")},
			"docker_container": {
				Tok: resource("Container"),
				// By the bridge's own rules these two would be plural.
				Fields: fields{"command": {Name: "command"}, "networks_advanced": {Name: "networksAdvanced"}},
				// A container's name and its published ports can be taken only once.
				DeleteBeforeReplace: true,
			},
			// An image's name says what to fetch: nothing to choose for Pulumi.
			"docker_image":          {Tok: resource("RemoteImage"), Fields: fields{"name": {Name: "name"}}},
			"docker_network":        {Tok: resource("Network")},
			"docker_plugin":         {Tok: resource("Plugin")},
			"docker_registry_image": {Tok: resource("RegistryImage")},
			"docker_secret":         {Tok: resource("Secret")},
			"docker_service":        {Tok: resource("Service")},
			"docker_tag":            {Tok: resource("Tag")},
			"docker_volume":         {Tok: resource("Volume")},
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"docker_image":                    {Tok: function("getRemoteImage")},
			"docker_logs":                     {Tok: function("getLogs")},
			"docker_network":                  {Tok: function("getNetwork")},
			"docker_plugin":                   {Tok: function("getPlugin")},
			"docker_registry_image":           {Tok: function("getRegistryImage")},
			"docker_registry_image_manifests": {Tok: function("getRegistryImageManifests")},
		},
	}
	// The other names are Pulumi's to choose, by pulumi:autonaming or with random digits.
	info.SetAutonaming(255, "-")
	return info
}

// resource gives the type token of the class of that name in the npm package.
func resource(name string) tokens.Type {
	file := string(unicode.ToLower(rune(name[0]))) + name[1:]
	return tokens.Type("docker:index/" + file + ":" + name)
}

// function gives the token of the function of that name in the npm package.
func function(name string) tokens.ModuleMember {
	return tokens.ModuleMember("docker:index/" + name + ":" + name)
}
