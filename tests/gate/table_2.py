"""Table 2 of the MIEB paper (Xiao et al. 2025, arXiv:2504.10471): its 20 best models, as printed, in points."""

from __future__ import annotations

COLUMNS = (
    "retrieval",
    "clustering",
    "zero_shot_classification",
    "linear_probing",
    "compositionality",
    "vision_centric_qa",
    "document_understanding",
    "visual_sts",
    "retrieval (multilingual)",
    "visual_sts (cross- and multilingual)",
    "Mean (en)",
    "Mean (m)",
)

# fmt: off
FULL = """
voyageai/voyage-multimodal-3                       38.8 82.4 58.2 71.3 43.5 48.6 71.1 81.8 58.9 70.4 62.0 62.5
royokong/e5-v                                      34.0 70.0 50.0 74.5 46.3 51.9 62.7 79.3 66.6 46.3 58.6 58.2
google/siglip-so400m-patch14-384                   40.8 82.1 70.8 84.6 40.4 46.3 56.4 68.0 40.2 41.4 61.2 57.1
google/siglip-large-patch16-384                    39.9 79.9 68.0 83.7 39.7 45.4 53.3 69.5 51.1 39.8 59.9 57.0
google/siglip-large-patch16-256                    38.8 82.1 67.7 82.5 40.8 44.9 39.4 67.4 49.8 38.1 57.9 55.2
google/siglip-base-patch16-512                     38.1 74.7 64.1 80.9 37.5 53.2 52.1 67.7 43.2 38.1 58.5 54.9
laion/CLIP-ViT-bigG-14-laion2B-39B-b160k           41.5 85.6 69.4 83.6 42.4 43.2 43.2 70.9 28.0 34.5 60.0 54.2
google/siglip-base-patch16-384                     37.7 76.3 64.1 80.6 38.5 52.8 45.0 67.0 42.5 37.5 57.8 54.2
QuanSun/EVA02-CLIP-bigE-14-plus                    40.1 92.4 70.8 86.0 45.7 39.4 32.3 72.0 27.8 28.2 59.8 53.5
laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K          38.1 86.4 68.4 82.0 39.1 52.3 38.6 69.9 23.8 35.8 59.4 53.4
google/siglip-base-patch16-256-multilingual        35.6 74.6 61.2 78.9 38.1 51.3 26.4 65.5 59.2 40.3 53.9 53.1
laion/CLIP-ViT-H-14-laion2B-s32B-b79K              39.7 83.9 67.5 82.5 42.0 45.8 40.4 65.5 25.5 33.9 58.4 52.7
laion/CLIP-ViT-g-14-laion2B-s34B-b88K              39.8 82.7 67.9 82.8 41.9 44.2 37.6 69.1 25.9 31.7 58.3 52.4
QuanSun/EVA02-CLIP-bigE-14                         39.0 89.4 69.3 84.5 42.4 43.6 31.6 68.8 25.5 28.3 58.6 52.2
google/siglip-base-patch16-256                     36.6 75.2 63.1 79.7 39.5 52.2 31.7 66.2 41.3 34.4 55.5 52.0
google/siglip-base-patch16-224                     36.3 74.5 62.6 79.3 39.8 51.1 26.2 64.3 41.2 33.5 54.3 50.9
laion/CLIP-ViT-L-14-laion2B-s32B-b82K              38.0 83.5 65.8 81.2 40.8 45.9 36.3 65.8 23.0 26.0 57.2 50.6
TIGER-Lab/VLM2Vec-LoRA                             27.7 72.6 46.3 62.0 34.6 62.0 49.7 72.6 34.9 42.2 53.4 50.5
TIGER-Lab/VLM2Vec-Full                             27.6 70.7 46.3 62.0 35.4 62.1 49.8 72.6 35.0 42.2 53.3 50.4
openai/clip-vit-large-patch14                      33.7 76.4 62.1 80.1 44.8 44.1 38.0 64.5 20.2 35.1 55.4 49.9
"""
LITE = """
voyageai/voyage-multimodal-3                       33.2 76.6 48.6 69.3 35.8 50.0 63.5 84.2 49.0 70.4 57.7 58.1
google/siglip-so400m-patch14-384                   32.4 75.9 73.8 78.8 32.8 48.0 46.9 69.6 35.4 41.4 57.3 53.5
google/siglip-large-patch16-384                    31.9 75.2 71.3 77.7 32.1 46.8 44.9 69.6 43.5 39.8 56.2 53.3
royokong/e5-v                                      26.9 51.7 36.2 70.6 39.4 52.6 56.0 81.2 58.3 46.3 51.8 51.9
google/siglip-large-patch16-256                    31.0 76.5 70.3 76.3 33.4 46.5 31.9 67.6 42.6 38.1 54.2 51.4
laion/CLIP-ViT-bigG-14-laion2B-39B-b160k           34.2 80.8 72.4 77.8 35.0 43.0 35.5 73.4 26.2 34.5 56.5 51.3
google/siglip-base-patch16-512                     30.8 69.7 66.3 74.6 29.7 55.5 42.6 67.1 34.8 38.1 54.5 50.9
QuanSun/EVA02-CLIP-bigE-14-plus                    35.2 87.3 74.0 80.0 38.9 38.8 26.2 73.7 26.0 28.2 56.8 50.8
google/siglip-base-patch16-384                     30.6 72.2 66.0 74.4 31.0 55.1 37.1 66.9 34.5 37.5 54.1 50.5
laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K          31.0 80.4 69.4 75.3 31.6 54.9 30.8 72.5 22.6 35.8 55.7 50.4
laion/CLIP-ViT-H-14-laion2B-s32B-b79K              32.8 79.3 69.4 76.8 34.8 46.8 33.7 68.3 23.9 33.9 55.2 50.0
QuanSun/EVA02-CLIP-bigE-14                         34.3 86.7 73.0 78.3 35.1 44.4 25.1 69.9 23.9 28.3 55.9 49.9
google/siglip-base-patch16-256-multilingual        28.2 68.2 63.2 73.4 30.7 53.3 22.9 63.7 52.9 40.3 50.4 49.7
laion/CLIP-ViT-g-14-laion2B-s34B-b88K              33.5 76.8 69.6 77.3 34.7 45.0 29.9 71.6 24.2 31.7 54.8 49.4
google/siglip-base-patch16-256                     29.5 69.6 65.6 73.6 32.2 54.4 25.0 66.1 33.5 34.4 52.0 48.4
laion/CLIP-ViT-L-14-laion2B-s32B-b82K              31.1 76.4 67.8 75.9 33.6 46.9 28.7 68.7 21.4 26.0 53.6 47.6
openai/clip-vit-large-patch14                      26.7 71.3 63.8 74.5 39.4 44.9 29.4 69.4 19.8 35.1 52.4 47.4
google/siglip-base-patch16-224                     29.3 68.4 65.0 73.5 32.5 53.0 20.9 64.2 33.6 33.5 50.8 47.4
laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K          28.3 73.6 61.9 73.2 31.4 56.9 22.7 69.7 19.9 28.5 52.2 46.6
TIGER-Lab/VLM2Vec-LoRA                             21.0 66.3 32.1 64.8 29.4 65.3 42.7 70.9 24.8 42.2 49.1 46.0
"""
# fmt: on
