//! Images.

use super::{
    Cri, CriError,
    error::answered,
    v1::{
        AuthConfig, Image, ImageFsInfoRequest, ImageFsInfoResponse, ImageSpec, ImageStatusRequest,
        ListImagesRequest, PodSandboxConfig, PullImageRequest, RemoveImageRequest,
    },
};

/// An image by name or id.
fn spec(image: &str) -> Option<ImageSpec> {
    Some(ImageSpec {
        image: image.to_owned(),
        ..ImageSpec::default()
    })
}

impl Cri {
    /// The images it has.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn list_images(&self) -> Result<Vec<Image>, CriError> {
        let ask = ListImagesRequest { filter: None };
        let answer = self.image().list_images(self.ask(ask)).await;
        Ok(answered("ListImages", answer)?.images)
    }

    /// One image; absent when the runtime does not have it.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn image_status(&self, image: &str) -> Result<Option<Image>, CriError> {
        let ask = ImageStatusRequest {
            image: spec(image),
            verbose: false,
        };
        let answer = self.image().image_status(self.ask(ask)).await;
        Ok(answered("ImageStatus", answer)?.image)
    }

    /// Has the runtime fetch an image; returns the reference it can be used by.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn pull_image(
        &self,
        image: &str,
        auth: Option<AuthConfig>,
        pod: Option<PodSandboxConfig>,
    ) -> Result<String, CriError> {
        let ask = PullImageRequest {
            image: spec(image),
            auth,
            sandbox_config: pod,
        };
        let answer = self.image().pull_image(self.ask(ask)).await;
        Ok(answered("PullImage", answer)?.image_ref)
    }

    /// Removes an image; one that is not there is removed already.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn remove_image(&self, image: &str) -> Result<(), CriError> {
        let ask = RemoveImageRequest { image: spec(image) };
        let answer = self.image().remove_image(self.ask(ask)).await;
        answered("RemoveImage", answer).map(drop)
    }

    /// The file systems that hold images, and what they use of them.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn image_fs_info(&self) -> Result<ImageFsInfoResponse, CriError> {
        let ask = ImageFsInfoRequest {};
        let answer = self.image().image_fs_info(self.ask(ask)).await;
        answered("ImageFsInfo", answer)
    }
}
