// Precompiled once and shared by every target that sees LibTorch (about 25 s a translation unit without it).
#pragma once
#include <torch/torch.h>
#include <torch/script.h>
