"""Shop text in the shape of WebShop's pages: goals, result lists, items, searches and clicks."""

from .grammar import words

GRAMMAR: dict[str, list[str]] = {
    "thing": words(
        "shirt,t-shirt,dress,jacket,coat,sweater,hoodie,jeans,pants,shorts,skirt,socks,boots,sandals,sneakers,shoes,"
        "slippers,hat,scarf,gloves,belt,bag,backpack,wallet,watch,necklace,earrings,ring,sunglasses,pajamas,swimsuit,"
        "bra,underwear,sofa,chair,table,desk,bed,mattress,pillow,blanket,curtains,rug,lamp,candle,mirror,shelf,"
        "cabinet,bookcase,wall art,headboard,towel,shower curtain,keyboard,mouse,monitor,laptop,tablet,phone case,"
        "screen protector,charger,charging cable,power adapter,headphones,earbuds,speaker,camera,tripod,projector,"
        "television,remote control,smart watch,watch band,memory card,hard drive,coffee,tea,snack bar,cookies,"
        "chocolate,nuts,chips,candy,popcorn,cereal,sauce,spice,seasoning,protein powder,juice,water bottle,shampoo,"
        "conditioner,hair dye,hair brush,wig,hair extensions,lotion,face cream,serum,sunscreen,soap,deodorant,"
        "perfume,lipstick,mascara,makeup brush,nail polish,toothbrush,toothpaste,mouthwash,razor,makeup bag"
    ),
    "quality": words(
        "long lasting,easy to use,easy to clean,easy to assemble,machine washable,hand wash,water resistant,"
        "waterproof,wireless,bluetooth,fast charging,high speed,high definition,ultra hd,heavy duty,light weight,"
        "portable,gluten free,sugar free,dairy free,fat free,low calorie,low carb,non gmo,organic,natural,vegan,"
        "cruelty free,paraben free,fragrance free,alcohol free,for sensitive skin,for dry skin,for dry hair,"
        "anti aging,hypoallergenic,slim fit,regular fit,relaxed fit,wide leg,long sleeve,short sleeve,high waist,"
        "tummy control,elastic waist,button closure,drawstring closure,rubber sole,non slip,memory foam,"
        "stainless steel,solid wood,faux leather,cotton,polyester,spandex,nylon,wool,linen,leather,suede,plastic,"
        "bpa free,eco friendly,fully assembled,space saving,noise cancelling,double sided,wall mounted,"
        "quick release,hands free,plug and play,ready to eat,individually wrapped,freeze dried,artificial flavors"
    ),
    "colour": words(
        "black,white,red,blue,navy blue,green,dark green,grey,gray,silver,gold,rose gold,pink,purple,brown,beige,"
        "yellow,orange,khaki,ivory,teal,burgundy,multicolor,clear"
    ),
    "size": words(
        "small,medium,large,x-large,xx-large,3x-large,{5_13} wide,{5_13} women,{5_13} men,{20_90} inch,{1_12} ounce "
        "(pack of {1_12}),{1_12} fl oz,{2_12} count,twin,full,queen,king,one size,{10_60}w x {10_60}l,{3_9}t,"
        "{6_60} pounds,{3_30} feet"
    ),
    "price": ["{1_9}.99", "{10_99}.99", "{10_99}.{10_95}", "{100_400}.0", "{5_90}.00"],
    "asin": ["B0{letter}{10_99}{letter}{letter}{1_9}{letter}{letter}", "B0{10_99}{letter}{letter}{100_999}{letter}"],
    "letter": list("BCDFGHJKLMNPQRSTVWXYZ"),
    "goal": [
        "i am looking for a {quality} {thing} in {colour}, and price lower than {price} dollars",
        "i need a {quality}, {quality} {thing} with color: {colour}, and size: {size}, and price lower than {price} "
        "dollars",
        "i want to buy a {colour} {thing} that is {quality} and {quality}, and price lower than {price} dollars",
        "find me {quality} {thing} for men with {quality}, and size: {size}, and price lower than {price} dollars",
        "i would like a {size} {thing} for women, {quality}, and price lower than {price} dollars",
    ],
    "title": [
        "{Maker} {Quality} {Thing}, {Quality}, {Colour}, {Size}", "{Maker} Men's {Colour} {Thing} {Quality}",
        "{Maker} Women's {Quality} {Thing} with {Quality}", "{Quality} {Thing} by {Maker}, Pack of {2_12}",
    ],
    "text": [
        "WebShop [SEP] Instruction: [SEP] {goal} [SEP] Search",
        "Instruction: [SEP] {goal} [SEP] Back to Search [SEP] Page {1_5} (Total results: 50) [SEP] Next > [SEP] "
        "{asin} [SEP] {title} [SEP] ${price} [SEP] {asin} [SEP] {title} [SEP] ${price} [SEP] {asin} [SEP] {title} "
        "[SEP] ${price} to ${price}",
        "Instruction: [SEP] {goal} [SEP] Back to Search [SEP] < Prev [SEP] size [SEP] {size} [SEP] {size} [SEP] "
        "{size} [SEP] color [SEP] {colour} [SEP] {colour} [SEP] {title} [SEP] Price: ${price} [SEP] Rating: N.A. "
        "[SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now",
        "[button] {colour} [button_] [clicked button] {size} [clicked button_] You have clicked {size}.",
        "Back to Search [SEP] < Prev [SEP] This {thing} is {quality} and {quality}. It comes in {colour}.",
        "{action}", "{action}", "{action}", "{action}",
        "Clickable: back to search; < prev; next >; description; features; reviews; buy now; {colour}; {size}.",
        "{thought}",
    ],
    "action": [
        "search[{quality} {thing} {colour}]", "search[{thing} {quality} {size}]", "click[{asin}]", "click[buy now]",
        "click[back to search]", "click[< prev]", "click[next >]", "click[description]", "click[features]",
        "click[reviews]", "click[{colour}]", "click[{size}]",
    ],
    "thought": [
        "The {thing} is {colour} and {quality}, and its price of ${price} is lower than ${price}. I will buy it.",
        "I first search for the {thing}, then choose the color {colour} and the size {size}, then buy it.",
        "1. Search for a {quality} {thing}.\n2. Open a result that fits.\n3. Choose the options.\n4. Buy it now.",
        "This item does not match: it is not {quality}. I go back to the results.",
    ],
}  # fmt: skip
GRAMMAR["Maker"] = ["Norda", "Velmo", "Kestrel", "Halden", "Brightway", "Oakridge", "Lumina", "Terrano", "Silvana"]
for _name in ("quality", "thing", "colour", "size"):
    GRAMMAR[_name.title()] = [" ".join(word.capitalize() for word in text.split()) for text in GRAMMAR[_name]]
