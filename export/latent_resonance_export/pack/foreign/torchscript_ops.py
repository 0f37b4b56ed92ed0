"""The operators of a TorchScript archive that are known: pure arithmetic on tensors and numbers.

Nothing here reads or writes files, draws random numbers or starts anything. An operator that is not
listed is refused by name, so that the list can grow by one word.
"""

from __future__ import annotations

_TENSORS = """
abs adaptive_avg_pool2d add addmm alias avg_pool2d batch_norm bmm cat chunk clamp clamp_max
clamp_min clone constant_pad_nd contiguous conv1d conv2d conv_transpose1d conv_transpose2d cos
cumsum detach div dropout dropout_ einsum elu exp expand expand_as feature_dropout flatten flip
full gelu glu group_norm gt hardtanh index_select instance_norm layer_norm leaky_relu leaky_relu_
linear log lt matmul max max_pool2d maximum mean min minimum mish mul mul_ narrow neg norm ones pad
permute pixel_shuffle pow prelu reflection_pad1d reflection_pad2d relu relu6 relu_ repeat
repeat_interleave replication_pad2d reshape roll rsqrt rsub select selu sigmoid silu sin slice
softmax softplus split split_with_sizes sqrt square squeeze stack std sub sum t tanh tanh_ tile to
transpose type_as unbind unflatten unsqueeze upsample_bicubic2d upsample_bilinear2d
upsample_linear1d upsample_nearest1d upsample_nearest2d var view where zeros _convolution
"""
_STRUCTURE = "Constant If Loop ListUnpack TupleUnpack"
TENSOR_OPS = frozenset(_TENSORS.split())
STRUCTURE = frozenset(_STRUCTURE.split())
