package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	provisioner = "pryv.io/node-folder"
	// On the node's disk: /tmp is lost when a node is restarted.
	volumesFolder = "/var/lib/node-folders"

	selectedNode  = "volume.kubernetes.io/selected-node"
	responsible   = "volume.kubernetes.io/storage-provisioner"
	provisionedBy = "pv.kubernetes.io/provisioned-by"
	madeOn        = "pryv.io/made-on"
)

// keepVolumes makes volumes for claims whose first pod the scheduler has placed on this node, and
// removes released ones.
//
// A volume is `local`, so that kubelet gives it to the pod's fsGroup as it does with a cloud's
// disks. With the parameter `type: hostPath` of the StorageClass it is a hostPath, for which
// kubelet ignores fsGroup.
func keepVolumes(ctx context.Context, client kubernetes.Interface, self string) error {
	return errors.Join(provision(ctx, client, self), removeReleased(ctx, client, self))
}

func provision(ctx context.Context, client kubernetes.Interface, self string) error {
	claims, err := client.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, claim := range claims.Items {
		if claim.Spec.VolumeName != "" || claim.Annotations[selectedNode] != self ||
			claim.Annotations[responsible] != provisioner {
			continue
		}
		class, err := client.StorageV1().StorageClasses().Get(
			ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		name := "pvc-" + string(claim.UID)
		folder := filepath.Join(volumesFolder, name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		volume := newVolume(name, folder, self, &claim)
		volume.Spec.PersistentVolumeReclaimPolicy = *class.ReclaimPolicy
		if class.Parameters["type"] == "hostPath" {
			volume.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: folder},
			}
		}
		_, err = client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func newVolume(
	name, folder, node string, claim *corev1.PersistentVolumeClaim,
) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{provisionedBy: provisioner, madeOn: node},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			AccessModes:      claim.Spec.AccessModes,
			StorageClassName: *claim.Spec.StorageClassName,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1",
				Kind:       "PersistentVolumeClaim",
				Namespace:  claim.Namespace,
				Name:       claim.Name,
				UID:        claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				Local: &corev1.LocalVolumeSource{Path: folder},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{
						Key:      corev1.LabelHostname,
						Operator: corev1.NodeSelectorOpIn,
						Values:   []string{node},
					}},
				}},
			}},
		},
	}
}

func removeReleased(ctx context.Context, client kubernetes.Interface, self string) error {
	volumes, err := client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, volume := range volumes.Items {
		if volume.Status.Phase != corev1.VolumeReleased || volume.Annotations[madeOn] != self ||
			volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
			continue
		}
		if err := os.RemoveAll(filepath.Join(volumesFolder, volume.Name)); err != nil {
			return err
		}
		err := client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}
