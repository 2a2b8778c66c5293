#include "models/separation_model.h"
