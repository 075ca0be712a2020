// Command informer follows ConfigMaps as a controller does, and prints what its
// informer tells it; then it writes objects with a protobuf client.
//
// It takes client-go's parts rather than its clientset, which would compile every
// API there is.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

var scheme = runtime.NewScheme()

func main() {
	check(core.AddToScheme(scheme))
	check(apps.AddToScheme(scheme))
	meta.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	coreClient, appsClient := client("/api", core.SchemeGroupVersion), client("/apis", apps.SchemeGroupVersion)

	lists := cache.NewFilteredListWatchFromClient(coreClient, "configmaps", "default",
		func(options *meta.ListOptions) { options.LabelSelector = "l=x" })
	informer := cache.NewSharedInformer(lists, &core.ConfigMap{}, 0)
	gone := make(chan struct{})
	say := func(what string, object any) {
		if final, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = final.Obj
		}
		cm := object.(*core.ConfigMap)
		fmt.Println(what, cm.Name, cm.Data["k"])
		if what == "delete" && cm.Name == "before" {
			close(gone)
		}
	}
	handle, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { say("add", object) },
		UpdateFunc: func(_, object any) { say("update", object) },
		DeleteFunc: func(object any) { say("delete", object) },
	})
	check(err)
	stop := make(chan struct{})
	go informer.Run(stop)
	if !cache.WaitForCacheSync(stop, handle.HasSynced) {
		os.Exit(1)
	}
	fmt.Println("synced")
	<-gone
	write(coreClient, appsClient)
	// Until the test closes the pipe.
	_, _ = io.Copy(io.Discard, os.Stdin)
	close(stop)
}

// client speaks protobuf and takes JSON, as argocd-server's does.
func client(path string, version schema.GroupVersion) rest.Interface {
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	check(err)
	config.APIPath, config.GroupVersion = path, &version
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := rest.RESTClientFor(config)
	check(err)
	return client
}

func write(coreClient, appsClient rest.Interface) {
	name := meta.ObjectMeta{Name: "written", Namespace: "default"}
	create := func(client rest.Interface, resource string, object, into runtime.Object) {
		check(client.Post().Namespace("default").Resource(resource).Body(object).Do(context.Background()).Into(into))
	}
	create(coreClient, "secrets",
		&core.Secret{ObjectMeta: name, Data: map[string][]byte{"k": {0, 255}}}, &core.Secret{})
	none, labels, deployment := int32(0), map[string]string{"app": "a"}, &apps.Deployment{}
	create(appsClient, "deployments", &apps.Deployment{
		ObjectMeta: name,
		Spec: apps.DeploymentSpec{
			Replicas: &none,
			Selector: &meta.LabelSelector{MatchLabels: labels},
			Template: core.PodTemplateSpec{
				ObjectMeta: meta.ObjectMeta{Labels: labels},
				Spec:       core.PodSpec{Containers: []core.Container{{Name: "c", Image: "i"}}},
			},
		},
	}, deployment)
	event := &core.Event{ObjectMeta: name, Reason: "R", InvolvedObject: core.ObjectReference{Namespace: "default"}}
	create(coreClient, "events", event, &core.Event{})
	deployment.Labels = labels
	check(appsClient.Put().Namespace("default").Resource("deployments").Name("written").Body(deployment).
		Do(context.Background()).Into(deployment))
	fmt.Println("wrote 3 objects")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
